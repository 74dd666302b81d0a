/*
 * Mutual exclusion of two processes: Peterson's algorithm (1981), or, with NAIVE, one that steps back where both want.
 * A process that wants nothing may go on wanting nothing.
 *
 * How states map. Where a process stands is a variable, and the process itself one loop of d_steps: the variables are
 * the state, and those of the twin in src/yardstick/models.rs. How fairness maps: the twin's actions are the processes. To
 * go on wanting nothing is a step of its process that leads to the same state, in both.
 */
byte place[2];  /* 0 wants nothing, 1 and 2 on its way, 3 inside */
bit want[2];
bit turn;
#define OTHER (1 - _pid)

active [2] proctype Process() {
  do
  :: d_step { place[_pid] == 0 -> skip }
  :: d_step { place[_pid] == 0 -> want[_pid] = 1; place[_pid] = 1 }
#ifdef NAIVE
  :: d_step { place[_pid] == 1 && !want[OTHER] -> place[_pid] = 3 }
  :: d_step { place[_pid] == 1 && want[OTHER] -> want[_pid] = 0; place[_pid] = 2 }
  :: d_step { place[_pid] == 2 -> want[_pid] = 1; place[_pid] = 1 }
#else
  :: d_step { place[_pid] == 1 -> turn = OTHER; place[_pid] = 2 }
  :: d_step { place[_pid] == 2 && (!want[OTHER] || turn == _pid) -> place[_pid] = 3 }
#endif
  :: d_step { place[_pid] == 3 -> want[_pid] = 0; place[_pid] = 0 }
  od
}

ltl enters { [] ((place[0] == 1) -> <> (place[0] == 3)) }
ltl leaves { [] ((place[0] == 3) -> <> (place[0] == 0)) }
ltl recurs { [] <> (place[0] == 3) }
