//! What several engines say of the same small models.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Small models that several engines searched, so that the engines are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinions {
    /// What SPIN says of its version; none where it was not asked.
    pub spin: Option<String>,
    /// The programs without which SPIN could not be asked.
    pub missing: Vec<String>,
    /// One per model and variant.
    pub models: Vec<ComparedModel>,
    /// What the models promise.
    pub promises: Vec<ComparedPromise>,
}

/// How many states a model has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedModel {
    /// Its name, and what makes it this variant: `two-phase-commit -DN=7`.
    pub name: String,
    /// How many are known, published or pinned.
    pub known: u64,
    /// By the name of the engine, how many it has found.
    pub states: BTreeMap<String, u64>,
}

impl ComparedModel {
    /// Whether every engine has found as many as are known.
    pub fn agree(&self) -> bool {
        self.states.values().all(|states| *states == self.known)
    }
}

/// Whether a promise is kept in all fair runs of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedPromise {
    /// The model, as [`ComparedModel::name`] has it.
    pub model: String,
    /// The promise.
    pub name: String,
    /// Whether it is known to be kept.
    pub known: bool,
    /// By the name of the engine, whether it finds the promise kept.
    pub kept: BTreeMap<String, bool>,
}

impl ComparedPromise {
    /// Whether every engine says what is known.
    pub fn agree(&self) -> bool {
        self.kept.values().all(|kept| *kept == self.known)
    }
}
