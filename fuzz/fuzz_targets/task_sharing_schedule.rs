//! `fuzz::task_sharing_schedule` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::task_sharing_schedule::run(data));

// Every other input is one of libFuzzer's own mutations.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(2) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    fuzz::inputs::go_on_at_random(&mut data[..max_size], size, u64::from(seed))
});
