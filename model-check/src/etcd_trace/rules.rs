//! The steps that etcd's specification allows, read by hand from `Traceetcdraft.tla` and `etcdraft.tla`.
//!
//! A server is its term, vote, role, log (the terms of its entries), commit index, and what it knows of others;
//! messages are sent when their sender is ready, and stay until they are received: a loss is a message that never
//! is. Each line names a step; the step must be allowed, and the server must stand as the line says.
//!
//! Not read: changes of the configuration, snapshots, heartbeats apart from appends, restarts: their lines are
//! refused. Stricter than the specification in one place: at `Ready` the server must stand as the line says, too.
//! Verified by `tests/it/etcd_trace.rs`, which breaks traces line by line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, Line, Msg, TAG};

const FOLLOWER: &str = "StateFollower";
const CANDIDATE: &str = "StateCandidate";
const LEADER: &str = "StateLeader";
const NOBODY: &str = "0";

/// The state of the specification behind some lines.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    servers: BTreeMap<String, Server>,
    /// Sent when their sender is ready.
    pending: Bag,
    messages: Bag,
}

type Bag = BTreeMap<Sent, u32>;

#[derive(Clone, Debug)]
struct Server {
    term: u64,
    vote: String,
    role: &'static str,
    /// The terms of the entries.
    log: Vec<u64>,
    commit: u64,
    voters: BTreeSet<String>,
    responded: BTreeSet<String>,
    granted: BTreeSet<String>,
    /// What a leader knows to be in others' logs.
    matched: BTreeMap<String, u64>,
    /// The last line about the server.
    last: Event,
}

/// A message, as the specification has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    from: String,
    to: String,
    term: u64,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
    RequestVote { last_index: u64, last_term: u64 },
    Vote { granted: bool },
    Append { prev_index: u64, prev_term: u64, terms: Vec<u64>, commit: u64 },
    Appended { success: bool, matched: u64 },
}

/// Reads a whole trace and says how many lines it has.
///
/// # Errors
/// The first line, from 1, that is none, or that is no step, and why.
pub fn read(text: &str) -> Result<usize, (usize, String)> {
    let mut rules = Rules::default();
    for (number, text) in (1..).zip(text.lines()) {
        let line: Line = serde_json::from_str(text).map_err(|error| (number, error.to_string()))?;
        if line.tag != TAG {
            return Err((number, format!("the tag is `{}`", line.tag)));
        }
        rules.step(&line.event).map_err(|reason| (number, reason))?;
    }
    Ok(text.lines().count())
}

impl Rules {
    /// Takes one line for a step.
    ///
    /// # Errors
    /// Why it is none. What is behind is of no more use then.
    pub fn step(&mut self, event: &Event) -> Result<(), String> {
        if !self.servers.contains_key(&event.nid) {
            return self.boot(event);
        }
        match (event.name.as_str(), &event.msg) {
            ("BecomeCandidate", None) => self.time_out(event)?,
            ("BecomeLeader", None) => self.become_leader(event)?,
            ("BecomeFollower", None) => self.become_follower(event)?,
            ("Replicate", None) => self.replicate(event)?,
            ("Commit", None) => self.advance_commit(event)?,
            ("Ready", None) => self.ready(event)?,
            ("SendRequestVoteRequest", Some(msg)) => self.request_vote(event, msg)?,
            ("SendRequestVoteResponse", Some(msg)) if msg.from == msg.to => self.request_vote(event, msg)?,
            ("SendAppendEntriesRequest", Some(msg)) => self.append(event, msg)?,
            ("SendAppendEntriesResponse", Some(msg)) if msg.from == msg.to => {
                self.append_to_self(event, msg)?;
            }
            // The specification answers when it receives: these lines are passed over.
            ("SendRequestVoteResponse" | "SendAppendEntriesResponse", Some(_)) => {}
            (name, Some(msg)) if name == received(msg) => self.receive(event, msg)?,
            (name, _) => return Err(format!("`{name}` is no step that is read here")),
        }
        self.server(&event.nid).last = event.clone();
        Ok(())
    }

    /// Whether a line that receives this message would find it sent.
    pub fn awaits(&self, msg: &Msg) -> bool {
        self.find(msg).is_some()
    }

    fn server(&mut self, nid: &str) -> &mut Server {
        self.servers.get_mut(nid).expect("it booted")
    }

    fn find(&self, msg: &Msg) -> Option<Sent> {
        self.messages.keys().find(|sent| sent.is(msg)).cloned()
    }

    fn send(&mut self, sent: Sent, msg: &Msg) -> Result<(), String> {
        if !sent.is(msg) {
            return Err(format!("it would send {sent:?}"));
        }
        *self.pending.entry(sent).or_default() += 1;
        Ok(())
    }

    fn boot(&mut self, event: &Event) -> Result<(), String> {
        if event.name != "InitState" {
            return Err(format!("{} was not there before", event.nid));
        }
        let role = [FOLLOWER, CANDIDATE, LEADER].into_iter().find(|role| *role == event.role);
        let server = Server {
            term: event.state.term,
            vote: event.state.vote.clone(),
            role: role.ok_or_else(|| format!("there is no role `{}`", event.role))?,
            // A cluster that is set up holds its configuration, of term 1.
            log: vec![1; event.log as usize],
            commit: event.state.commit,
            voters: event.conf[0].iter().cloned().collect(),
            responded: BTreeSet::new(),
            granted: BTreeSet::new(),
            matched: BTreeMap::new(),
            last: event.clone(),
        };
        self.servers.insert(event.nid.clone(), server);
        Ok(())
    }

    fn time_out(&mut self, event: &Event) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role != LEADER, "a leader does not stand for election")?;
        allowed(server.voters.contains(&event.nid), "it is no voter")?;
        server.role = CANDIDATE;
        server.term += 1;
        server.vote.clone_from(&event.nid);
        server.responded.clear();
        server.granted.clear();
        server.stands_as(event)
    }

    fn request_vote(&mut self, event: &Event, msg: &Msg) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == CANDIDATE, "only a candidate asks for votes")?;
        allowed(!server.responded.contains(&msg.to), "it has answered already")?;
        allowed(server.voters.contains(&msg.to), "it is no voter")?;
        let body = if msg.to == event.nid {
            Body::Vote { granted: true }
        } else {
            Body::RequestVote { last_index: server.log.len() as u64, last_term: server.last_term() }
        };
        let sent = Sent { from: event.nid.clone(), to: msg.to.clone(), term: server.term, body };
        server.stands_as(event)?;
        self.send(sent, msg)
    }

    fn become_leader(&mut self, event: &Event) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == CANDIDATE, "only a candidate is elected")?;
        allowed(server.is_quorum(|voter| server.granted.contains(voter)), "no majority voted for it")?;
        server.role = LEADER;
        server.matched = [(event.nid.clone(), server.log.len() as u64)].into();
        server.stands_as(event)
    }

    fn replicate(&mut self, event: &Event) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == LEADER, "only a leader takes entries")?;
        server.log.push(server.term);
        Ok(())
    }

    fn append_to_self(&mut self, event: &Event, msg: &Msg) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == LEADER, "only a leader acknowledges itself")?;
        let body = Body::Appended { success: true, matched: server.log.len() as u64 };
        let sent = Sent { from: event.nid.clone(), to: event.nid.clone(), term: server.term, body };
        server.stands_as(event)?;
        self.send(sent, msg)
    }

    fn append(&mut self, event: &Event, msg: &Msg) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == LEADER, "only a leader sends entries")?;
        allowed(msg.to != event.nid && server.voters.contains(&msg.to), "it is no other voter")?;
        let (first, end) = (msg.index.saturating_add(1), msg.index.saturating_add(msg.entries));
        let matched = server.matched.get(&msg.to).copied().unwrap_or(0);
        allowed(first > matched, "it sends what is known to be there")?;
        allowed(end <= server.log.len() as u64, "it sends what it does not have")?;
        let body = Body::Append {
            prev_index: msg.index,
            prev_term: server.term_at(msg.index).unwrap_or(0),
            terms: server.log[msg.index as usize..end as usize].to_vec(),
            commit: server.commit.min(end),
        };
        let sent = Sent { from: event.nid.clone(), to: msg.to.clone(), term: server.term, body };
        server.stands_as(event)?;
        self.send(sent, msg)
    }

    fn advance_commit(&mut self, event: &Event) -> Result<(), String> {
        let server = self.server(&event.nid);
        allowed(server.role == LEADER, "only a leader counts acknowledgements")?;
        let held = |voter: &String| server.matched.get(voter).copied().unwrap_or(0);
        let agreed = |index: &u64| server.is_quorum(|voter| held(voter) >= *index);
        let last = (1..=server.log.len() as u64).rev().find(agreed);
        if let Some(index) = last.filter(|index| server.term_at(*index) == Some(server.term)) {
            server.commit = server.commit.max(index);
        }
        server.stands_as(event)
    }

    fn ready(&mut self, event: &Event) -> Result<(), String> {
        for (sent, count) in std::mem::take(&mut self.pending) {
            *self.messages.entry(sent).or_default() += count;
        }
        self.server(&event.nid).stands_as(event)
    }

    fn become_follower(&mut self, event: &Event) -> Result<(), String> {
        let server = self.server(&event.nid);
        // The step was taken with the message.
        let with_message = server.last.msg.as_ref().is_some_and(|msg| {
            let last = &server.last;
            let later = last.state.term < msg.term && last.name == received(msg);
            let same = last.name == "ReceiveAppendEntriesRequest"
                && last.state.term == msg.term
                && last.role == CANDIDATE;
            (later || same) && msg.term == event.state.term
        });
        if with_message {
            return Ok(());
        }
        allowed(server.role != FOLLOWER, "it is a follower already")?;
        server.role = FOLLOWER;
        server.stands_as(event)
    }

    fn receive(&mut self, event: &Event, msg: &Msg) -> Result<(), String> {
        allowed(msg.to == event.nid, "another server received it")?;
        let sent = self.find(msg).ok_or("nobody sent it")?;
        let server = self.server(&event.nid);
        server.stands_as(event)?;
        if sent.term > server.term {
            server.term = sent.term;
            server.role = FOLLOWER;
            NOBODY.clone_into(&mut server.vote);
        }
        let answer = match &sent.body {
            Body::RequestVote { last_index, last_term } => {
                Some(server.on_request_vote(&sent, *last_index, *last_term))
            }
            Body::Append { prev_index, prev_term, terms, commit } => {
                Some(server.on_append(sent.term, (*prev_index, *prev_term), terms, *commit)?)
            }
            // Answers of the past are passed over.
            _ if sent.term < server.term => None,
            Body::Vote { granted } => {
                server.responded.insert(sent.from.clone());
                if *granted {
                    server.granted.insert(sent.from.clone());
                }
                None
            }
            Body::Appended { success, matched } => {
                let known = server.matched.entry(sent.from.clone()).or_default();
                *known = if *success { (*known).max(*matched) } else { *known };
                None
            }
        };
        if let Some(body) = answer {
            let answer = Sent { from: sent.to.clone(), to: sent.from.clone(), term: server.term, body };
            *self.pending.entry(answer).or_default() += 1;
        }
        match self.messages.get_mut(&sent) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.messages.remove(&sent)),
        }
        Ok(())
    }
}

impl Server {
    fn last_term(&self) -> u64 {
        self.log.last().copied().unwrap_or(0)
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.log.get((index as usize).checked_sub(1)?).copied()
    }

    fn is_quorum(&self, has: impl Fn(&String) -> bool) -> bool {
        2 * self.voters.iter().filter(|voter| has(voter)).count() > self.voters.len()
    }

    /// Whether the server stands as the line says.
    fn stands_as(&self, event: &Event) -> Result<(), String> {
        let own = (self.term, &*self.vote, self.commit, self.role, self.log.len() as u64);
        let said = (event.state.term, &*event.state.vote, event.state.commit, event.role.as_str(), event.log);
        if own != said {
            return Err(format!("term, vote, commit, role, log: {own:?}, and the line says {said:?}"));
        }
        let voters: BTreeSet<String> = event.conf[0].iter().cloned().collect();
        allowed(voters == self.voters && event.conf[1].is_empty(), "the configuration is another one")
    }

    fn on_request_vote(&mut self, sent: &Sent, last_index: u64, last_term: u64) -> Body {
        let up_to_date = last_term > self.last_term()
            || last_term == self.last_term() && last_index >= self.log.len() as u64;
        let free = self.vote == NOBODY || self.vote == sent.from;
        let granted = sent.term == self.term && up_to_date && free;
        if granted {
            self.vote.clone_from(&sent.from);
        }
        Body::Vote { granted }
    }

    fn on_append(&mut self, term: u64, prev: (u64, u64), terms: &[u64], commit: u64) -> Result<Body, String> {
        if term < self.term {
            return Ok(Body::Appended { success: false, matched: 0 });
        }
        allowed(self.role != LEADER, "there is a second leader of the term")?;
        self.role = FOLLOWER;
        let (index, end) = (prev.0 + 1, prev.0 + terms.len() as u64);
        if prev.0 > 0 && self.term_at(prev.0) != Some(prev.1) {
            return Ok(Body::Appended { success: false, matched: 0 });
        }
        if index <= self.commit {
            return Ok(Body::Appended { success: true, matched: self.commit });
        }
        let same = |(place, term): (usize, &u64)| {
            self.log.get(prev.0 as usize + place).is_none_or(|own| own == term)
        };
        if terms.iter().enumerate().all(same) {
            let known = self.log.len().saturating_sub(prev.0 as usize).min(terms.len());
            self.log.extend_from_slice(&terms[known..]);
        } else {
            // Entry by entry, as long as one conflicts.
            let keeps = (0..terms.len()).take_while(|place| {
                self.log.get(prev.0 as usize + place).is_some_and(|own| *own == terms[*place])
            });
            self.log.truncate(prev.0 as usize + keeps.count());
            let known = self.log.len() - prev.0 as usize;
            self.log.extend_from_slice(&terms[known..]);
        }
        self.commit = self.commit.max(commit.min(end));
        Ok(Body::Appended { success: true, matched: end })
    }
}

impl Sent {
    /// Whether the line tells of this message.
    fn is(&self, msg: &Msg) -> bool {
        let envelope = (&self.from, &self.to, self.term) == (&msg.from, &msg.to, msg.term);
        let index = (msg.index, msg.log_term);
        envelope
            && match &self.body {
                Body::RequestVote { last_index, last_term } => {
                    msg.kind == "MsgVote" && (*last_index, *last_term) == index
                }
                Body::Vote { granted } => msg.kind == "MsgVoteResp" && *granted != msg.reject,
                Body::Append { prev_index, prev_term, terms, commit } => {
                    msg.kind == "MsgApp"
                        && (*prev_index, *prev_term) == index
                        && (terms.len() as u64, *commit) == (msg.entries, msg.commit)
                }
                Body::Appended { success: true, matched } => {
                    msg.kind == "MsgAppResp" && !msg.reject && *matched == msg.index
                }
                Body::Appended { success: false, .. } => msg.kind == "MsgAppResp" && msg.reject,
            }
    }
}

/// The line of a received message.
pub fn received(msg: &Msg) -> &'static str {
    match msg.kind.as_str() {
        "MsgVote" => "ReceiveRequestVoteRequest",
        "MsgVoteResp" => "ReceiveRequestVoteResponse",
        "MsgApp" => "ReceiveAppendEntriesRequest",
        "MsgAppResp" => "ReceiveAppendEntriesResponse",
        _ => "",
    }
}

fn allowed(holds: bool, reason: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason.to_owned()) }
}
