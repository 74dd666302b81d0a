//! Tests of the crate through its public face.

mod atlas;
mod byzantine;
mod collapse;
mod coverage;
mod disks;
mod echo;
mod faults;
mod healing;
mod history;
mod journal;
mod kept_back;
mod known;
mod ledger;
mod logbook;
mod pictures;
mod rewound;
mod sampler;
mod scenario;
mod sequential;
mod session;
mod shrink;
mod simulation;
mod smaller;
mod timers;
mod toy;
mod world;
