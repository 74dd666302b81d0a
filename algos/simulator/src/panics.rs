//! Panics as findings: a failed assertion inside a protocol becomes a violated property with a path that
//! leads to it, never a dead process.
//!
//! The panic hook is wrapped once per process; while a thread runs protocol code under [`catch`], the
//! hook prints nothing and remembers message and place instead. All other panics are reported as before.
//! The fast path costs two writes to a thread-local cell. Verified by the tests below.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is under [`catch`], and what the last panic there said.
    static CAUGHT: RefCell<Caught> = const { RefCell::new(Caught { depth: 0, message: String::new() }) };
}

struct Caught {
    depth: u32,
    message: String,
}

static HOOK: Once = Once::new();

fn install_hook() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let silent = CAUGHT.with_borrow_mut(|caught| {
                if caught.depth == 0 {
                    return false;
                }
                let text = info.payload_as_str().unwrap_or("a panic without a message");
                caught.message = match info.location() {
                    // A place in a dependency would name a folder of this machine.
                    Some(at) if !at.file().starts_with('/') => {
                        format!("{text} ({}:{})", at.file(), at.line())
                    }
                    _ => text.to_owned(),
                };
                true
            });
            if !silent {
                before(info);
            }
        }));
    });
}

/// Leaves the silenced region, also when unwinding.
struct Silenced;

impl Drop for Silenced {
    fn drop(&mut self) {
        CAUGHT.with_borrow_mut(|caught| caught.depth -= 1);
    }
}

/// Runs `work`; if it panics, prints nothing and returns what the panic said, with its place if that is
/// in this workspace. What `work` borrows mutably may be left half changed: throw it away.
///
/// # Errors
/// The message of the panic.
pub fn catch<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    CAUGHT.with_borrow_mut(|caught| caught.depth += 1);
    let silenced = Silenced;
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    drop(silenced);
    result.map_err(|_| CAUGHT.with_borrow_mut(|caught| std::mem::take(&mut caught.message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_place() {
        let message = catch::<()>(|| panic!("sum is {}", 1 + 1)).unwrap_err();
        assert!(message.starts_with("sum is 2 (") && message.contains("panics.rs:"), "{message}");
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[test]
    fn catching_nests() {
        let outer = catch::<()>(|| {
            let inner = catch::<()>(|| panic!("inner"));
            assert!(inner.unwrap_err().starts_with("inner"));
            panic!("outer")
        });
        assert!(outer.unwrap_err().starts_with("outer"));
    }
}
