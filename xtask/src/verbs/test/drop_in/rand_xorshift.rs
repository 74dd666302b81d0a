//! Numbers for rayon-core's tests, which do not care which: what they name `rand_xorshift`.

use rand::{RngCore, SeedableRng};

pub struct XorShiftRng(u64);

impl SeedableRng for XorShiftRng {
    type Seed = [u8; 16];

    fn from_seed(seed: Self::Seed) -> Self {
        XorShiftRng(u128::from_le_bytes(seed) as u64 | 1)
    }
}

impl RngCore for XorShiftRng {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.next_u64() as u8);
    }
}
