/*
 * Leader election in a ring (Chang and Roberts 1979) of four nodes, which may start at any time.
 *
 * How states map. Every process is one loop of d_steps; a message that is taken from a channel and looked at stands in a
 * hidden variable, which is no part of the state. What remains are the channels, who has started, and who leads: the
 * variables of the twin in src/yardstick/models.rs. How fairness maps: the twin's actions are these processes.
 */
#define N 4
chan toward[N] = [N] of { byte };
bit started[N];
bit leads[N];
byte name[N] = { 3, 1, 4, 2 };  /* never changes */
hidden byte heard;

active [N] proctype Node() {
  do
  :: d_step { !started[_pid] -> started[_pid] = 1; toward[(_pid + 1) % N] ! name[_pid] }
  :: d_step { nempty(toward[_pid]) -> toward[_pid] ? heard;
       if
       :: heard > name[_pid] -> toward[(_pid + 1) % N] ! heard
       :: heard == name[_pid] -> leads[_pid] = 1
       :: else
       fi }
  od
}

ltl elected { <> (leads[2] == 1) }
ltl lesser { <> (leads[0] == 1) }
ltl starts { [] <> (started[1] == 1) }
