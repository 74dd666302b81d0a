/*
 * The alternating-bit protocol (Bartlett, Scantlebury and Wilkinson 1969), with room for one message either way.
 * With LOSSY there is a process that loses messages, to which SPIN is as fair as to the others: it may lose every one.
 *
 * How states map. Every process is one loop of d_steps, so that the variables are the state; the twin in
 * src/yardstick/models.rs has the same four. How fairness maps: the twin's actions are these processes.
 */
bit sending;   /* the bit of the message that the sender is at */
bit awaited;   /* the bit of the message that the receiver waits for */
byte data;     /* on its way to the receiver: 0 nothing, else 1 and the bit */
byte ack;      /* on its way back, alike */

active proctype Sender() {
  do
  :: d_step { data == 0 -> data = 1 + sending }
  :: d_step { ack != 0 -> if :: ack == 1 + sending -> sending = 1 - sending :: else fi; ack = 0 }
  od
}

active proctype Receiver() {
  do
  :: d_step { data != 0 && ack == 0 ->
       if :: data == 1 + awaited -> awaited = 1 - awaited :: else fi; ack = data; data = 0 }
  od
}

#ifdef LOSSY
active proctype Thief() {
  do
  :: d_step { data != 0 -> data = 0 }
  :: d_step { ack != 0 -> ack = 0 }
  od
}
#endif

ltl received { <> (awaited == 1) }
ltl alternates { [] <> (sending == 1) }
ltl acknowledged { [] ((sending == 1) -> <> (sending == 0)) }
ltl emptied { [] <> (data == 0) }
