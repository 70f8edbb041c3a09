//! The hash that records, lock files and journals keep: SipHash-2-4 with 128 bits and a fixed key, the same in every
//! release and on every machine.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher as _;
#[cfg(all(feature = "fs", target_os = "linux"))]
use std::io::{self, Read};

/// Returns the hash of `bytes`.
pub(crate) fn hash(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// Returns the hash of the rest of `file`.
#[cfg(all(feature = "fs", target_os = "linux"))]
pub(crate) fn hash_of(mut file: impl Read) -> io::Result<u128> {
    let (mut hasher, mut bytes) = (SipHasher24::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.finish128().as_u128()),
            read => hasher.write(bytes.get(..read).unwrap_or_default()),
        }
    }
}
