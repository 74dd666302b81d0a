//! Where checkers keep what has been freed, until the next execution begins.

use core::cell::RefCell;

std::thread_local! {
    // Both checkers run the threads of a model as coroutines of the thread that called them.
    static GRAVES: RefCell<Vec<Grave>> = const { RefCell::new(Vec::new()) };
}

struct Grave {
    memory: *mut (),
    free: unsafe fn(*mut ()),
}

impl Drop for Grave {
    fn drop(&mut self) {
        // SAFETY: made in `bury` for this memory, and run once.
        unsafe { (self.free)(self.memory) }
    }
}

/// Frees what earlier executions have left, and makes what this one shares. To be called first in each.
pub fn begin() {
    GRAVES.with_borrow_mut(Vec::clear);
    #[cfg(steal_loom)]
    super::body::make_shared();
}

/// Keeps what [`Box::into_raw`] gave until the next execution begins.
pub(super) fn bury<T>(memory: *mut T) {
    unsafe fn free<T>(memory: *mut ()) {
        // SAFETY: `memory` came from a box of this type.
        drop(unsafe { Box::from_raw(memory.cast::<T>()) });
    }
    GRAVES.with_borrow_mut(|graves| graves.push(Grave { memory: memory.cast(), free: free::<T> }));
}
