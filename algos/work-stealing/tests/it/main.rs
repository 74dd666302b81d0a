//! Deques, injector and pool as their users see them.
//!
//! Miri, which takes each step some hundred times as long, does less of everything ([`sized`]); what it cannot look at
//! says so where it is left out.

mod memory;
mod pool;
mod sequences;
mod tasks;
mod threads;

/// How much of something there is to be: `here`, but under Miri `small`.
const fn sized(here: usize, small: usize) -> usize {
    if cfg!(miri) { small } else { here }
}
