/*
 * Two-phase commit (Gray and Lamport 2006, Consensus on transaction commit), the twin of TwoPhase in src/yardstick/models.rs.
 *
 * How states map. Every process is one loop whose options are d_steps, so a process is always at one place, and a state of
 * SPIN is just the variables below. They are those of the twin: what each manager is, what is decided, of whom the
 * coordinator knows, who has said that it is prepared. An option is possible only where it changes something; in the
 * twin such steps lead to the state itself, which is no other state.
 *
 * How fairness maps. SPIN is fair to processes. A process here is a manager with its link to the coordinator, or the
 * coordinator: the twin's actions are numbered so.
 */
#ifndef N
#define N 3
#endif
#define ALL ((1 << N) - 1)
#define ME (1 << _pid)

byte manager[N];  /* 0 working, 1 prepared, 2 committed, 3 aborted */
byte decision;    /* 0 none, 1 committed, 2 aborted */
int known;        /* of whom the coordinator knows that they are prepared */
int said;         /* who has said so */

active [N] proctype Manager() {
  do
  :: d_step { decision == 0 && (said & ME) && !(known & ME) -> known = known | ME }
  :: d_step { manager[_pid] == 0 -> manager[_pid] = 1; said = said | ME }
  :: d_step { manager[_pid] == 0 -> manager[_pid] = 3 }
  :: d_step { decision == 1 && manager[_pid] != 2 -> manager[_pid] = 2 }
  :: d_step { decision == 2 && manager[_pid] != 3 -> manager[_pid] = 3 }
  od
}

active proctype Coordinator() {
  do
  :: d_step { decision == 0 && known == ALL -> decision = 1 }
  :: d_step { decision == 0 -> decision = 2 }
  od
}

ltl decided { <> (decision != 0) }
ltl committed { <> (decision == 1) }
ltl told { [] ((manager[0] == 1) -> <> (manager[0] >= 2)) }
ltl obeyed { [] ((manager[0] == 1) -> <> (manager[0] == 2)) }
