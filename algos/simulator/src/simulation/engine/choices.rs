//! What nodes choose, for the trace.

use swarm_protocol::{Choices, NodeId, Properties, Service, Stream};

use super::Engine;
use crate::{Event, EventClass};

impl<P: Service, Q: Properties<P>> Engine<'_, P, Q> {
    /// From here on this stream answers, and its answers are kept.
    #[cold]
    pub(super) fn note_choices_of(&mut self, stream: Stream) {
        self.effects.set_choices(Choices::noted(stream));
    }

    /// Notes what the node chose in this turn.
    #[cold]
    pub(super) fn note_choices(&mut self, node: NodeId) {
        let Choices::Noted { answers, .. } = self.effects.choices() else { return };
        // With one way there is no choice: a world does not ask.
        let answers: Vec<u32> =
            answers.iter().filter(|(_, ways)| *ways > 1).map(|(answer, _)| *answer).collect();
        for answer in answers {
            self.note(EventClass::Choose, node, u64::from(answer), || Event::Choose { answer });
        }
    }
}
