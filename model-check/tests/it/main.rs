//! Tests of the checker's adapter, instances and campaigns.

mod binaries;
mod campaigns;
mod explore;
mod instances;
mod search;
mod zoo;
