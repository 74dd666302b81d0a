//! Termination detection: a token goes round the ring, and when it comes back the initiator may know that all is done.
//!
//! It is Safra's algorithm (EWD 998) with what crashes, losses and submissions ask for. A node keeps the token while it
//! has tasks, then adds its balance of hand-overs begun and received, and sends it on, black if tasks have come here
//! since the token passed before. All is done if the token comes back white to an initiator at rest, and the balances add
//! up to nothing.
//!
//! - The balance is that of the numbers on disk, so a crash loses none of it, and the token leaves when all is on disk
//!   that it speaks of. A hand-over that is repeated is no second one.
//! - The token may be lost: the initiator begins another round. So one of the past may arrive late, between a disturbance
//!   and the token of the round that should tell of it. Each node writes which token it has sent on, sends on none
//!   twice or out of order, and blackens one unless the last that it has sent on is the one that the token says
//!   came back before the round began.
//! - Clients submit tasks at any time. A node at which that happens is disturbed, as by a hand-over.
//!
//! **Why what is announced is true.** Let a round begin at s, with the token of round p back before, and come back white.
//! Every node sent p's token on before s, and this one after s, at rest both times, undisturbed in between: it had no
//! tasks all that time, at s in particular, and began and received no hand-over. So the balances are those at s, and
//! their sum is what was under way then: nothing. Whoever asked before s is told so, with how many tasks clients had
//! submitted at s, all of them done. A node that has crashed in between is disturbed.
//!
//! **Why it is announced at last.** When no tasks come any more and all nodes are up, they are all done some day and no
//! hand-over is under way. From then on a round that is not lost comes back, perhaps black, and the one after it comes
//! back white.
//!
//! Verified by `tests/it/rounds.rs`, sentence by sentence, by the property `termination_is_true`, by what clients are
//! told being linearizable, and by lassos.

use swarm_protocol::Effects;

use crate::disk::Record;
use crate::{Answer, Config, Message, Node, Timer, Token};

impl Node {
    /// A token arrives.
    pub(crate) fn on_token(&mut self, token: Token, out: &mut Effects<Self>) {
        if self.is_initiator() {
            return self.on_return(&token, out);
        }
        if token.round <= self.disk.round || self.token.is_some_and(|kept| token.round <= kept.round) {
            return out.refuse("token-of-the-past");
        }
        self.token = Some(token);
    }

    /// The initiator looks at what has come back.
    fn on_return(&mut self, token: &Token, out: &mut Effects<Self>) {
        let Some((_, asked)) = self.asking.under_way.take_if(|(round, _)| *round == token.round) else {
            return out.refuse("token-of-the-past");
        };
        out.cancel_timer(Timer::Round);
        self.asking.returned = token.round;
        // EWD 998: conclusive if machine 0 is passive and white, the token is white, and the sum is 0.
        let at_rest = self.is_idle() && !self.disturbed;
        if token.black || !at_rest || token.under_way.wrapping_add(self.disk.balance()) != 0 {
            return out.mark("round-in-vain");
        }
        self.asking.announced = token.round;
        let submitted = token.submitted.wrapping_add(self.disk.submitted);
        for id in self.asking.waiting.drain(..asked) {
            out.answer_durably(id, Answer::Finished { submitted });
        }
        out.mark("all-done");
    }

    /// The token is taken for lost.
    pub(crate) fn on_round_timeout(&mut self, out: &mut Effects<Self>) {
        if self.asking.under_way.take().is_none() {
            return out.refuse("no-round-under-way");
        }
        out.mark("token-lost");
    }

    /// After each step: a node at rest sends the token on, and the initiator begins a round if somebody waits for one.
    pub(crate) fn go_round(&mut self, config: &Config, out: &mut Effects<Self>) {
        if !self.is_idle() || self.failed {
            return;
        }
        if let Some(token) = self.token.take() {
            self.send_on(config, token, out);
        }
        if self.asking.under_way.is_none() && !self.asking.waiting.is_empty() {
            self.begin_round(config, out);
        }
    }

    fn begin_round(&mut self, config: &Config, out: &mut Effects<Self>) {
        let (round, after) = (self.disk.round + 1, self.asking.returned);
        self.asking.under_way = Some((round, self.asking.waiting.len()));
        // EWD 998, rule 6.
        self.disturbed = false;
        // On disk first: a number that is given twice would belong to two tokens.
        self.write(config, Record::Round(round), out);
        let token = Token { round, after, black: false, under_way: 0, submitted: 0 };
        if config.nodes == 1 {
            return self.on_return(&token, out);
        }
        out.set_timer(Timer::Round, config.round);
        out.send_durably(config.next(self.me), Message::Token(token));
    }

    fn send_on(&mut self, config: &Config, token: Token, out: &mut Effects<Self>) {
        // EWD 998, rules 0, 4 and 7.
        let white = !self.disturbed && self.disk.round == token.after;
        let token = Token {
            black: token.black || !white,
            under_way: token.under_way.wrapping_add(self.disk.balance()),
            submitted: token.submitted.wrapping_add(self.disk.submitted),
            ..token
        };
        self.disturbed = false;
        self.write(config, Record::Round(token.round), out);
        out.send_durably(config.next(self.me), Message::Token(token));
    }
}
