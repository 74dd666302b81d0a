//! A register on two nodes: the primary takes writes, the backup keeps a copy and answers reads.

use model_check::prelude::*;
use swarm_protocol::prelude::*;

const PRIMARY: NodeId = NodeId(0);
const BACKUP: NodeId = NodeId(1);
const PATIENCE: Delay = Delay { min: Ticks::from_millis(20), max: Ticks::from_millis(40) };

/// A value and its number. Also what is on disk, on either node.
type Version = Numbered<u8>;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    me: NodeId,
    latest: Version,
    /// The primary: whether the backup has not confirmed the latest version, and who waits for that.
    unconfirmed: bool,
    client: Option<OpId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Copy(Version),
    Copied(u64),
}

impl Node {
    fn on_invoke(&mut self, id: OpId, op: RegisterOp<u8>, out: &mut Effects<Self>) {
        match (op, self.me) {
            (RegisterOp::Read, BACKUP) => out.answer_durably(id, Reply::Done(self.latest.value)),
            (RegisterOp::Read, _) => out.answer(id, Reply::NotTaken(Some(BACKUP))),
            (RegisterOp::Write(value), PRIMARY) if !self.unconfirmed => {
                self.latest = Version { number: self.latest.number + 1, value };
                self.unconfirmed = true;
                out.persist(self.latest);
                self.client = Some(id);
                self.copy(out);
            }
            (RegisterOp::Write(_), PRIMARY) => out.answer(id, Reply::NotTaken(None)),
            (RegisterOp::Write(_), _) => out.answer(id, Reply::NotTaken(Some(PRIMARY))),
        }
    }

    fn copy(&self, out: &mut Effects<Self>) {
        out.send_durably(BACKUP, Message::Copy(self.latest));
        out.set_timer(Alarm, PATIENCE);
    }

    fn on_copy(&mut self, version: Version, out: &mut Effects<Self>) {
        if version.number > self.latest.number {
            self.latest = version;
            out.persist(version);
        }
        out.send_durably(PRIMARY, Message::Copied(version.number));
    }

    fn on_copied(&mut self, number: u64, out: &mut Effects<Self>) {
        if !self.unconfirmed || number != self.latest.number {
            return out.refuse("of-the-past");
        }
        self.unconfirmed = false;
        out.cancel_timer(Alarm);
        out.mark("copied");
        if let Some(id) = self.client.take() {
            out.answer_durably(id, Reply::Done(self.latest.value));
        }
    }
}

impl Protocol for Node {
    type Config = ();
    type Message = Message;
    type Timer = Alarm;
    type Op = RegisterOp<u8>;
    type Answer = Reply<u8>;
    type Record = Version;
    type Task = Never;
    type Outcome = Never;
    const LAST_RECORD_ONLY: bool = true;

    fn recover((): &(), me: NodeId, disk: impl Iterator<Item = Version>, out: &mut Effects<Self>) -> Self {
        let latest = disk.last().unwrap_or_default();
        // The backup may not have it: nobody remembers.
        let unconfirmed = me == PRIMARY && latest.number > 0;
        let node = Node { me, latest, unconfirmed, client: None };
        if unconfirmed {
            node.copy(out);
        }
        node
    }

    fn step(&mut self, (): &(), _now: Ticks, input: Input<Self>, out: &mut Effects<Self>) {
        match input {
            Input::Invoke { id, op } => self.on_invoke(id, op, out),
            Input::Timeout(Alarm) => self.copy(out),
            Input::Message { message: Message::Copy(version), .. } => self.on_copy(version, out),
            Input::Message { message: Message::Copied(number), .. } => self.on_copied(number, out),
            _ => {}
        }
    }
}

// What clients are promised: a read returns what was written last.
swarm_protocol::promise!(Node, Register<u8>);

/// What must hold across nodes: the backup has nothing that the primary has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct PrimaryLeads;

impl Properties<Node> for PrimaryLeads {
    const NAMES: &'static [&'static str] = &["primary_leads"];

    fn full(&self, (): &(), nodes: &[Option<&Node>]) -> Result<(), Violation> {
        match nodes {
            [Some(primary), Some(backup)] if backup.latest > primary.latest => {
                Err(Violation::new("primary_leads", format!("{:?} {:?}", primary.latest, backup.latest)))
            }
            _ => Ok(()),
        }
    }
}

impl Registered for Node {
    type Properties = PrimaryLeads;
    const NAME: &'static str = "primary-backup";
    const NODES: [u32; 2] = [2, 2];
    const NODES_MAX: u32 = 2;
    const MARKS: &'static [&'static str] = &["copied"];

    fn config(_nodes: u32) {}
}

model_check::main!(Node);
