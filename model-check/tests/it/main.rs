//! Tests of the checker's adapter, instances and campaigns.

mod actions;
mod binaries;
mod brought;
mod calibration;
mod campaigns;
mod decisive;
mod elections;
mod engine;
mod etcd_trace;
mod explore;
mod exported;
mod findings;
mod instances;
mod journals;
mod liveness;
mod reduction;
mod schemata;
mod search;
mod shrunk;
mod spin;
mod symmetry;
mod task_sharing;
mod threads;
mod zoo;
