//! Slots that thieves may read while the owner writes them: every word an atomic access.
//!
//! A thief copies a task before it knows whether it may have it. If it may not, the copy can be torn or out
//! of date and is thrown away without having been looked at; if it may, nobody has written the slot in
//! between, so that the words belong together. Which of the two it is, the deque's own protocol decides.
//! Orderings are the protocol's too: words are relaxed.
//!
//! A task of any size and alignment goes word by word through a value on the stack. Types without a size have
//! no words; a task that is smaller than a word takes one.

use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ptr;

use crate::sync::{Life, Word, blank, words};

const WORD: usize = size_of::<usize>();

/// A power of two of slots; an index counts on and wraps around.
pub(crate) struct Slots<T> {
    words: Box<[Word]>,
    /// One less than the number of slots.
    mask: u64,
    life: Life,
    holds: PhantomData<T>,
}

impl<T> Slots<T> {
    /// Words of a slot.
    const WORDS: usize = size_of::<T>().div_ceil(WORD);

    /// # Panics
    /// If `capacity` is no power of two or the memory cannot be had.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two(), "{capacity} slots");
        let count = capacity.checked_mul(Self::WORDS).expect("as many slots as memory can hold");
        Slots { words: words(count), mask: capacity as u64 - 1, life: Life::new(), holds: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> usize {
        self.mask as usize + 1
    }

    /// Where they are. To be had once before a loop: an atomic access to what may be uninitialised tells the compiler
    /// nothing, so that it would look for the slots anew after each.
    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_, T> {
        View { words: &self.words, mask: self.mask, life: &self.life, holds: PhantomData }
    }

    /// As [`View::write`].
    #[inline]
    pub(crate) fn write(&self, index: u64, task: MaybeUninit<T>) {
        self.view().write(index, task);
    }

    /// As [`View::read`].
    #[inline]
    pub(crate) fn read(&self, index: u64) -> MaybeUninit<T> {
        self.view().read(index)
    }

    /// As [`View::own`].
    ///
    /// # Safety
    /// Only the thread that writes the slots may call this.
    #[inline]
    pub(crate) unsafe fn own(&self, index: u64) -> MaybeUninit<T> {
        // SAFETY: the caller's.
        unsafe { self.view().own(index) }
    }

    /// To be called before the memory is freed; tells the checkers.
    pub(crate) fn end(&self) {
        self.life.end();
    }
}

/// Slots, by where they are.
pub(crate) struct View<'a, T> {
    words: &'a [Word],
    mask: u64,
    life: &'a Life,
    holds: PhantomData<T>,
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<'a, T> View<'a, T> {
    #[inline(always)]
    fn word(self, index: u64, word: usize) -> &'a Word {
        let place = (index & self.mask) as usize * Slots::<T>::WORDS + word;
        debug_assert!(place < self.words.len(), "word {place} of {}", self.words.len());
        // SAFETY: there are `WORDS` words for each of `mask + 1` slots, and `word` is below `WORDS`.
        unsafe { self.words.get_unchecked(place) }
    }

    /// Writes a slot. Others may read it meanwhile, but not write it.
    #[inline]
    pub(crate) fn write(self, index: u64, task: MaybeUninit<T>) {
        let bytes = (&raw const task).cast::<u8>();
        for word in 0..Slots::<T>::WORDS {
            let start = word * WORD;
            let mut value = blank();
            // SAFETY: below the size of the task.
            let from = unsafe { bytes.add(start) };
            let count = WORD.min(size_of::<T>() - start);
            // SAFETY: `count` bytes are left of the task, at most a word, and the two do not overlap.
            unsafe { ptr::copy_nonoverlapping(from, value.as_mut_ptr().cast::<u8>(), count) };
            self.word(index, word).store(value);
        }
    }

    /// Reads a slot, perhaps while it is written: then the result is no task.
    #[inline]
    pub(crate) fn read(self, index: u64) -> MaybeUninit<T> {
        self.life.assert_alive();
        Self::gather(|word| self.word(index, word).load())
    }

    /// Reads a slot that nobody writes meanwhile.
    ///
    /// # Safety
    /// Only the thread that writes the slots may call this.
    #[inline]
    pub(crate) unsafe fn own(self, index: u64) -> MaybeUninit<T> {
        self.life.assert_alive();
        // SAFETY: the caller's.
        Self::gather(|word| unsafe { self.word(index, word).own() })
    }

    #[inline(always)]
    fn gather(load: impl Fn(usize) -> MaybeUninit<usize>) -> MaybeUninit<T> {
        let mut task = MaybeUninit::<T>::uninit();
        let bytes = task.as_mut_ptr().cast::<u8>();
        for word in 0..Slots::<T>::WORDS {
            let start = word * WORD;
            let value = load(word);
            // SAFETY: below the size of the task.
            let to = unsafe { bytes.add(start) };
            let count = WORD.min(size_of::<T>() - start);
            // SAFETY: `count` bytes are left of the task, at most a word, and the two do not overlap.
            unsafe { ptr::copy_nonoverlapping(value.as_ptr().cast::<u8>(), to, count) };
        }
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem;

    /// Every slot gives back what was written last, over more than a lap.
    fn check<T: Clone + PartialEq + core::fmt::Debug>(tasks: &[T]) {
        let slots = Slots::<T>::new(4);
        let first = u64::MAX - 2;
        for (i, task) in tasks.iter().cycle().take(4 * tasks.len()).enumerate() {
            let index = first.wrapping_add(i as u64);
            slots.write(index, MaybeUninit::new(task.clone()));
            let copy = slots.read(index);
            // SAFETY: this thread has just written it; the two are one task, which is dropped once.
            let copy = mem::ManuallyDrop::new(unsafe { copy.assume_init() });
            // SAFETY: this thread writes the slots.
            let own = unsafe { slots.own(index) };
            // SAFETY: as above.
            let own = unsafe { own.assume_init() };
            assert_eq!((&*copy, &own), (task, task));
        }
    }

    #[test]
    fn tasks_of_any_size_come_back_whole() {
        check(&[()]);
        check(&[true, false]);
        check(&[1_u8, 2, 3]);
        check(&[u64::MAX, 1]);
        check(&[(1_u8, 2_u64, 3_u16), (4, 5, 6)]);
        check(&[[1_u8; 9], [2; 9]]);
        check(&[[7_u64; 33], [8; 33]]);
        check(&["one".to_owned(), "two".to_owned()]);
        check(&[Some(Box::new(1)), None]);
    }

    #[test]
    fn tasks_may_ask_for_a_larger_alignment_than_words() {
        #[repr(align(64))]
        #[derive(Clone, Debug, PartialEq)]
        struct Line(u8);
        check(&[Line(1), Line(2)]);
    }
}
