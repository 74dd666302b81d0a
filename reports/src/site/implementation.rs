//! Who took part in a measurement, each under a name of its own: two settings of one peer are told apart by
//! a letter, which the table of settings explains.

use std::collections::BTreeMap;

use crate::artifact::{Implementation, Role};
use crate::table::{Cell, Table};

/// Implementations and the names that tell them apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Names<'a>(BTreeMap<&'a Implementation, String>);

impl<'a> Names<'a> {
    /// Names for all of these: their own, with a letter behind it where several share one.
    pub(super) fn of(implementations: impl Iterator<Item = &'a Implementation>) -> Self {
        let mut names: BTreeMap<&Implementation, String> =
            implementations.map(|each| (each, String::new())).collect();
        let mut alike: BTreeMap<&str, Vec<&Implementation>> = BTreeMap::new();
        for implementation in names.keys() {
            alike.entry(&implementation.name).or_default().push(implementation);
        }
        for (name, group) in alike {
            for (place, implementation) in group.iter().enumerate() {
                let distinct =
                    if group.len() > 1 { format!("{name} {}", letters(place)) } else { name.to_owned() };
                names.insert(implementation, distinct);
            }
        }
        Names(names)
    }

    /// The name of one of them.
    pub(super) fn name<'n>(&'n self, implementation: &'n Implementation) -> &'n str {
        self.0.get(implementation).map_or(&implementation.name, String::as_str)
    }

    /// A table of all, with their settings.
    pub(super) fn settings(&self, id: &str) -> Table {
        let mut table = Table::new(
            format!("{id}-settings"),
            "Who took part, at which settings",
            &[
                ("Implementation", "implementation"),
                ("Role", "role"),
                ("Version", "version"),
                ("Settings", "settings"),
            ],
        );
        for (implementation, name) in &self.0 {
            let role = match implementation.role {
                Role::Ours => "ours",
                Role::Peer => "peer",
                Role::Floor => "floor",
            };
            let (version, settings) =
                (Cell::text(&implementation.version), Cell::text(&implementation.settings));
            table.row([Cell::text(name), Cell::text(role), version, settings]);
        }
        table
    }
}

/// a to z, then numbers.
fn letters(place: usize) -> String {
    u8::try_from(place)
        .ok()
        .filter(|place| *place < 26)
        .map_or_else(|| (place + 1).to_string(), |place| char::from(b'a' + place).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_settings_of_one_peer_have_two_names() {
        let implementation =
            |name: &str, settings: &str| Implementation::new(Role::Peer, name, "1", settings);
        let all = [
            implementation("raft-rs", "slow"),
            implementation("raft-rs", "fast"),
            implementation("other", ""),
        ];
        let names = Names::of(all.iter().chain(&all));
        assert_eq!(all.each_ref().map(|each| names.name(each)), ["raft-rs b", "raft-rs a", "other"]);
        assert_eq!(letters(25) + &letters(26), "z27");
    }
}
