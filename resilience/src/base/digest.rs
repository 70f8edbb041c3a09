//! The hash that records, lock files and journals keep: SipHash-2-4 with 128 bits and a fixed key, the same in every
//! release and on every machine.

use siphasher::sip128::{Hash128, Hasher128, SipHasher24};
use std::hash::Hasher as _;
#[cfg(all(feature = "fs", target_os = "linux"))]
use std::io::{self, Read};

/// Returns the hash of `bytes`.
pub(crate) fn hash(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    number(hasher.finish128())
}

/// Returns the number of a hash. Its own `as_u128` swaps the bytes of each half on a big-endian machine.
fn number(hash: Hash128) -> u128 {
    u128::from_le_bytes(hash.as_bytes())
}

/// Returns the hash of the rest of `file`.
#[cfg(all(feature = "fs", target_os = "linux"))]
pub(crate) fn hash_of(mut file: impl Read) -> io::Result<u128> {
    let (mut hasher, mut bytes) = (SipHasher24::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(number(hasher.finish128())),
            read => hasher.write(bytes.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_on_every_machine() {
        assert_eq!(hash(b""), 0xf4f2_ced4_47ab_0242_7de0_a380_47d7_4950);
        assert_eq!(hash(b"resilience"), 0xc018_8303_0189_fef0_6c94_2601_e2bd_ccd2);
    }
}
