//! The record that a store keeps under one key, and its bytes.
//!
//! The bytes have two parts, a *head* and a *body* (input and value). The head ends with a CRC32C (RFC 3720)
//! over everything before it, which includes the key and the checksum of the body: bytes that were cut, changed
//! or put under another key are [`Corrupt`], never a value. A listing reads heads only.
//!
//! # The format
//!
//! Numbers are little-endian; a text is its length as `u32` and its bytes.
//!
//! ```text
//!  head:  "RSLR"  format  status  codec  flags   u8 each
//!         length of the head, length and CRC32C of the body      u32 each
//!         version u32, hash of the inputs u128
//!         fence, incarnation, lease, created, updated, completed, ttl, revision, order, progress   u64 each
//!         attempts, recoveries      u32 each
//!         key, function, owner, note
//!         CRC32C of all before
//!  body:  input, value
//! ```
//!
//! `flags` has bit 0 for "has inputs" and bit 1 for "was asked to stop". A later format is [`Corrupt::LaterFormat`]:
//! its bytes are left where they are, for the release that wrote them. A checksum finds damage, and not an attacker:
//! who can write to the store can write any record.

pub(crate) mod alert;
pub(crate) mod args;
pub(crate) mod codec;
pub(crate) mod history;
pub(crate) mod key;

pub(crate) use crate::failure::durable as error;
pub use crate::failure::durable::{Corrupt, Millis, Status};

use crc::{CRC_32_ISCSI, Crc, Table};
use key::place;

/// The first bytes of every record, in every format.
const MAGIC: &[u8; 4] = b"RSLR";
/// The released format; a new one gets the next number, and the earlier ones stay readable.
const FORMAT: u8 = 2;
/// The format of releases before 0.2: one part, a deadline in place of a lease, no incarnation.
const FORMAT_1: u8 = 1;
/// The encoding of values: JSON. It is in each record, so that a later release can use another one and still read
/// the old ones.
const CODEC: u8 = 1;
/// CRC32C, 16 bytes at a time: a value of a megabyte is checked at every read.
static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The record that a store keeps under one key.
///
/// A store reads and writes records as bytes, with [`encode`](Self::encode) and [`decode`](Self::decode),
/// which check them; their format is versioned, and later releases read earlier formats.
///
/// Times are milliseconds since 1970, by the store's clock; durations are in milliseconds. No decision about leases
/// uses them.
///
/// | who changes it | fields |
/// |---|---|
/// | a claim | `status`, `function`, `version`, `inputs`, `fence`, `owner`, `lease`, `attempts`, `ttl`; of a new incarnation also `incarnation`, `created` and `input` |
/// | the end of the work | `status`, `value`, `completed`, `note` |
/// | a recovery | `recoveries`, `progress`, `note` |
/// | an operator | `status`, `cancelled`, `note` |
/// | every write | `updated`, `revision` |
///
/// # Examples
///
/// ```
/// use resilience::durable::record::{Corrupt, Record};
///
/// let record = Record::new("import:7");
/// let mut bytes = record.encode();
/// assert_eq!(Record::decode("import:7", &bytes).unwrap(), record);
/// assert_eq!(Record::decode("import:8", &bytes).unwrap_err(), Corrupt::OtherKey);
///
/// bytes[20] ^= 1;
/// assert!(Record::decode("import:7", &bytes).is_err(), "a flipped bit");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The key in the store.
    pub key: String,
    /// The progress of the work. Only `Running` and `RollingBack` are held by an owner.
    pub status: Status,
    /// The owner of the record: crate and function of a step, the name of a job.
    pub function: String,
    /// The version that the code stated, 1 if it stated none. Another one than the code has is a mismatch.
    pub version: u32,
    /// A 128-bit hash of the inputs, where some were named. It does not depend on the order of the fields of an
    /// object, and never changes between releases.
    pub inputs: Option<u128>,
    /// The number of the last claim; a later claim of any key has a higher one. Of a step in a job: the fence
    /// of the job.
    pub fence: u64,
    /// The number of its last fresh start: kept by retries, crashes and take-overs, replaced when it expires,
    /// is run again, is removed or undone.
    pub incarnation: u64,
    /// The process that claimed it last. It is the holder only while the status is a held one.
    pub owner: String,
    /// The time, in milliseconds, for which the owner's counter may stay unchanged before others treat the owner as
    /// dead, if its lock cannot tell.
    pub lease: Millis,
    /// The number of times that it was claimed, the first one included. A retry inside of one call does not count.
    pub attempts: u32,
    /// The number of times that its owner died since it last made progress.
    pub recoveries: u32,
    /// For a job, the sum of [`progress_part`](Self::progress_part) of its records when its owner last died; for the
    /// count of a job's steps, how many steps have a record.
    pub progress: u64,
    /// When this incarnation was first claimed.
    pub created: Millis,
    /// When it was last written.
    pub updated: Millis,
    /// When it ended; 0 before its end.
    pub completed: Millis,
    /// The time for which it counts after it ended; 0 for ever.
    pub ttl: Millis,
    /// The number of times that it was written, since it was made. `Store::cas` compares it.
    pub revision: u64,
    /// Its place in the order in which the steps of its job ended: a later one has a higher number. 0 for a record that
    /// is not a step of a job, or has not ended.
    pub order: u64,
    /// Whether a job was asked to stop at its next step.
    pub cancelled: bool,
    /// Further facts, as JSON: the class of the error of a failed job, its text if that is recorded, why it does not
    /// continue, and its last 100 events. It has no arguments and no values.
    pub note: Vec<u8>,
    /// The recorded arguments of a job, as a JSON object with their names, or a hash of each named input of a step;
    /// at most 1 MiB.
    pub input: Vec<u8>,
    /// The recorded result, or a cursor, as JSON; at most 1 MiB.
    pub value: Vec<u8>,
}

impl Record {
    /// Creates a record of `key` with nothing in it.
    ///
    /// It is [`Status::Free`], of version 1, has never been claimed, and all its numbers and texts are zero or empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{Record, Status};
    ///
    /// let record = Record::new("c/page:7");
    /// assert_eq!((record.status, record.version, record.fence, record.attempts), (Status::Free, 1, 0, 0));
    /// ```
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            status: Status::Free,
            function: String::new(),
            version: 1,
            inputs: None,
            fence: 0,
            incarnation: 0,
            owner: String::new(),
            lease: 0,
            attempts: 0,
            recoveries: 0,
            progress: 0,
            created: 0,
            updated: 0,
            completed: 0,
            ttl: 0,
            revision: 0,
            order: 0,
            cancelled: false,
            note: Vec::new(),
            input: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Returns whether its time to live is over at `now`. What waits for a person or for another run has
    /// none.
    ///
    /// A claim treats an expired record as absent, whether it was deleted already or not. `now` is in milliseconds
    /// since 1970; the end itself is expired.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{Record, Status};
    ///
    /// let mut record = Record::new("c/page:7");
    /// (record.status, record.completed, record.ttl) = (Status::Done, 1_000, 500);
    /// assert!(!record.is_expired(1_499));
    /// assert!(record.is_expired(1_500));
    ///
    /// record.status = Status::Failed;
    /// assert!(!record.is_expired(1_500), "it waits for a person");
    /// ```
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires().is_some_and(|end| now >= end)
    }

    /// Returns when it ended; a record that was released without a result ended then. `None` before its end.
    ///
    /// In milliseconds since 1970. A free step of a job that had ended before, whose `order` is not 0, has not ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{Record, Status};
    ///
    /// let mut record = Record::new("c/page:7");
    /// (record.updated, record.completed) = (2_000, 1_000);
    /// let mut ended = |status| {
    ///     record.status = status;
    ///     record.ended()
    /// };
    /// assert_eq!(ended(Status::Running), None);
    /// assert_eq!(ended(Status::Done), Some(1_000));
    /// assert_eq!(ended(Status::Free), Some(2_000), "given back without a result");
    /// ```
    pub fn ended(&self) -> Option<Millis> {
        match self.status {
            Status::Free if self.order == 0 => Some(self.updated),
            status => status.is_final().then_some(self.completed),
        }
    }

    /// Returns when it will be deleted by itself: its time to live after its end.
    ///
    /// `None` for what has none, and for what waits for a person or for another run.
    ///
    /// In milliseconds since 1970, at most `u64::MAX`. Steps and cursors of a job have no time of their own: they go
    /// with their job.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{Record, Status};
    ///
    /// let mut record = Record::new("c/page:7");
    /// (record.status, record.completed, record.ttl) = (Status::Done, 1_000, 500);
    /// assert_eq!(record.expires(), Some(1_500));
    /// record.ttl = 0;
    /// assert_eq!(record.expires(), None, "it is kept for ever");
    /// ```
    pub fn expires(&self) -> Option<Millis> {
        let ends = matches!(self.status, Status::Done | Status::RolledBack) && self.ttl > 0;
        ends.then(|| self.completed.saturating_add(self.ttl))
    }

    /// Returns what this record adds to the progress of its job; a job whose sum is the same at two deaths has got no
    /// further between them.
    ///
    /// A cursor counts by its value, however often it was written; an undo, and a step of one, once it is done; the count
    /// of a job's steps, and any other record, by its revision.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::Record;
    ///
    /// let mut cursor = Record::new("p/import%3A7/rows");
    /// cursor.value = b"100".to_vec();
    /// let before = cursor.progress_part();
    /// cursor.revision += 1;
    /// assert_eq!(cursor.progress_part(), before, "the same value again");
    /// cursor.value = b"200".to_vec();
    /// assert_ne!(cursor.progress_part(), before);
    /// ```
    pub fn progress_part(&self) -> u64 {
        if place::is_cursor(&self.key) {
            let [key, value] = [self.key.as_bytes(), &self.value].map(|bytes| CHECKSUM.checksum(bytes));
            u64::from(key) << 32 | u64::from(value)
        } else if place::is_of_undo(&self.key) {
            u64::from(self.status == Status::Done)
        } else {
            self.revision
        }
    }

    /// Returns the bytes to keep: the head and the body, in one.
    ///
    /// About 180 bytes and the texts. Nothing is refused here: a field of more than [`u32::MAX`] bytes cannot be read
    /// back, and stores refuse values above 1 MiB.
    pub fn encode(&self) -> Vec<u8> {
        let (mut head, body) = self.encode_parts();
        head.extend(body);
        head
    }

    /// Returns the bytes to keep, in two parts: head and body. A listing then reads heads only.
    ///
    /// The head has the length and the checksum of the body, so that neither can be exchanged for that of another
    /// write.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::Record;
    ///
    /// let mut record = Record::new("c/page:7");
    /// record.value = b"[1,2]".to_vec();
    /// let (head, body) = record.encode_parts();
    /// assert_eq!(Record::decode_parts("c/page:7", &head, &body).unwrap(), record);
    /// assert!(Record::decode_head("c/page:7", &head).unwrap().value.is_empty());
    /// ```
    pub fn encode_parts(&self) -> (Vec<u8>, Vec<u8>) {
        let mut body = Vec::with_capacity(8 + self.input.len() + self.value.len());
        append(&mut body, &self.input);
        append(&mut body, &self.value);
        let texts = self.key.len() + self.function.len() + self.owner.len() + self.note.len();
        let mut out = Vec::with_capacity(180 + texts);
        out.extend(MAGIC);
        out.push(FORMAT);
        out.push(self.status.code());
        out.push(CODEC);
        out.push(u8::from(self.inputs.is_some()) | u8::from(self.cancelled) << 1);
        let at_length = out.len();
        out.extend([0; 4]);
        out.extend(length(&body).to_le_bytes());
        out.extend(CHECKSUM.checksum(&body).to_le_bytes());
        out.extend(self.version.to_le_bytes());
        out.extend(self.inputs.unwrap_or_default().to_le_bytes());
        for number in [
            self.fence,
            self.incarnation,
            self.lease,
            self.created,
            self.updated,
            self.completed,
            self.ttl,
            self.revision,
            self.order,
            self.progress,
        ] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.attempts.to_le_bytes());
        out.extend(self.recoveries.to_le_bytes());
        for bytes in [self.key.as_bytes(), self.function.as_bytes(), self.owner.as_bytes(), &self.note] {
            append(&mut out, bytes);
        }
        let whole = u32::try_from(out.len() + 4).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(at_length..at_length + 4) {
            place.copy_from_slice(&whole.to_le_bytes());
        }
        let checksum = CHECKSUM.checksum(&out);
        out.extend(checksum.to_le_bytes());
        (out, body)
    }

    /// Reads the record that `bytes` are, found under `key`: as [`encode`](Self::encode) writes them, or of
    /// an earlier format.
    ///
    /// # Errors
    ///
    /// Why they are none, or another one. Move such bytes into quarantine; never delete them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::record::{Corrupt, Record};
    ///
    /// let mut bytes = Record::new("c/page:7").encode();
    /// assert_eq!(Record::decode("c/page:7", &[]), Err(Corrupt::Short));
    /// assert_eq!(Record::decode("c/page:7", b"not a record"), Err(Corrupt::NoRecord));
    /// bytes.pop();
    /// assert!(Record::decode("c/page:7", &bytes).is_err(), "cut off");
    /// ```
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, Corrupt> {
        if bytes.starts_with(MAGIC) && bytes.get(4) == Some(&FORMAT_1) {
            return Self::decode_1(key, bytes);
        }
        let head = bytes.get(8..12).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes);
        let head = usize::try_from(head).unwrap_or(usize::MAX).clamp(12, bytes.len().max(12));
        match bytes.split_at_checked(head) {
            Some((head, body)) => Self::decode_parts(key, head, body),
            None if bytes.get(..4).is_some_and(|magic| magic == MAGIC) => Err(Corrupt::Short),
            None if bytes.len() < 4 => Err(Corrupt::Short),
            None => Err(Corrupt::NoRecord),
        }
    }

    /// Returns the record of a head and a body, found under `key`.
    ///
    /// [`Corrupt::Checksum`] also where each part is sound and they are of two different writes.
    ///
    /// # Errors
    ///
    /// Why they are none, or another one.
    pub fn decode_parts(key: &str, head: &[u8], body: &[u8]) -> Result<Self, Corrupt> {
        let (mut record, sum) = Self::decode_head_and_sum(key, head)?;
        if sum != (length(body), CHECKSUM.checksum(body)) {
            return Err(Corrupt::Checksum);
        }
        let mut from = Reader(body);
        record.input = from.bytes()?.to_vec();
        record.value = from.bytes()?.to_vec();
        if from.0.is_empty() { Ok(record) } else { Err(Corrupt::Field) }
    }

    /// Returns the record of a head, found under `key`, without its input and value.
    ///
    /// The body is not looked at: that it is damaged shows only when it is read.
    ///
    /// # Errors
    ///
    /// Why it is none, or another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::record::{Corrupt, Record};
    ///
    /// let (mut head, _) = Record::new("c/page:7").encode_parts();
    /// assert_eq!(Record::decode_head("c/page:7", &head).unwrap().key, "c/page:7");
    /// head[5] ^= 1;
    /// assert_eq!(Record::decode_head("c/page:7", &head), Err(Corrupt::Checksum));
    /// ```
    pub fn decode_head(key: &str, head: &[u8]) -> Result<Self, Corrupt> {
        Self::decode_head_and_sum(key, head).map(|(record, _)| record)
    }

    /// Returns the record without its body, and the body's length and checksum.
    fn decode_head_and_sum(key: &str, head: &[u8]) -> Result<(Self, (u32, u32)), Corrupt> {
        let (fields, checksum) = head.split_last_chunk::<4>().ok_or(Corrupt::Short)?;
        let mut from = Reader(fields);
        if from.array::<4>()? != *MAGIC {
            return Err(Corrupt::NoRecord);
        }
        if CHECKSUM.checksum(fields) != u32::from_le_bytes(*checksum) {
            return Err(Corrupt::Checksum);
        }
        match from.byte()? {
            FORMAT => {}
            later => return Err(Corrupt::LaterFormat(later)),
        }
        let status = Status::from_code(from.byte()?).ok_or(Corrupt::Field)?;
        match from.byte()? {
            CODEC => {}
            other => return Err(Corrupt::UnknownCodec(other)),
        }
        let flags = from.byte()?;
        from.array::<4>()?;
        let sum = (u32::from_le_bytes(from.array()?), u32::from_le_bytes(from.array()?));
        let version = u32::from_le_bytes(from.array()?);
        let inputs = u128::from_le_bytes(from.array()?);
        let record = Self {
            status,
            cancelled: flags & 2 != 0,
            version,
            inputs: (flags & 1 != 0).then_some(inputs),
            fence: from.number()?,
            incarnation: from.number()?,
            lease: from.number()?,
            created: from.number()?,
            updated: from.number()?,
            completed: from.number()?,
            ttl: from.number()?,
            revision: from.number()?,
            order: from.number()?,
            progress: from.number()?,
            attempts: u32::from_le_bytes(from.array()?),
            recoveries: u32::from_le_bytes(from.array()?),
            key: from.text()?,
            function: from.text()?,
            owner: from.text()?,
            note: from.bytes()?.to_vec(),
            input: Vec::new(),
            value: Vec::new(),
        };
        match from.0 {
            [] if record.key == key => Ok((record, sum)),
            [] => Err(Corrupt::OtherKey),
            _ => Err(Corrupt::Field),
        }
    }

    /// Returns a record of format 1. Its incarnation is the time at which it was begun, as that is what distinguished
    /// its fresh starts.
    fn decode_1(key: &str, bytes: &[u8]) -> Result<Self, Corrupt> {
        let (fields, checksum) = bytes.split_last_chunk::<4>().ok_or(Corrupt::Short)?;
        if CHECKSUM.checksum(fields) != u32::from_le_bytes(*checksum) {
            return Err(Corrupt::Checksum);
        }
        let mut from = Reader(fields);
        from.array::<5>()?;
        let status = Status::from_code(from.byte()?).ok_or(Corrupt::Field)?;
        match from.byte()? {
            CODEC => {}
            other => return Err(Corrupt::UnknownCodec(other)),
        }
        let flags = from.byte()?;
        let version = u32::from_le_bytes(from.array()?);
        let inputs = u128::from_le_bytes(from.array()?);
        let fence = from.number()?;
        from.number()?;
        let created = from.number()?;
        let record = Self {
            status,
            cancelled: flags & 2 != 0,
            version,
            inputs: (flags & 1 != 0).then_some(inputs),
            fence,
            incarnation: created,
            lease: 30_000,
            created,
            updated: from.number()?,
            completed: from.number()?,
            ttl: from.number()?,
            revision: from.number()?,
            order: from.number()?,
            attempts: u32::from_le_bytes(from.array()?),
            recoveries: u32::from_le_bytes(from.array()?),
            key: from.text()?,
            function: from.text()?,
            owner: from.text()?,
            note: from.bytes()?.to_vec(),
            input: from.bytes()?.to_vec(),
            value: from.bytes()?.to_vec(),
            progress: 0,
        };
        match from.0 {
            // The places of a job's steps had no gaps.
            [] if record.key == key && place::is_tally(key) => Ok(Self { progress: record.order, ..record }),
            [] if record.key == key => Ok(record),
            [] => Err(Corrupt::OtherKey),
            _ => Err(Corrupt::Field),
        }
    }
}

/// Returns the length in four bytes; a longer value was refused long before.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Appends `bytes` with their length before them.
fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(length(bytes).to_le_bytes());
    out.extend(bytes);
}
/// The rest of the bytes of a record; each read takes from the front, and fails with [`Corrupt::Short`] at the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Corrupt::Short)?;
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, Corrupt> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = u32::from_le_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| Corrupt::Field)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Corrupt::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Reads a text. One that is not valid UTF-8 has passed the checksum: its writer wrote no record of this format.
    fn text(&mut self) -> Result<String, Corrupt> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Corrupt::Field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        Record {
            status: Status::Done,
            function: "shop::charge".into(),
            version: 3,
            inputs: Some(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
            fence: 42,
            owner: "host/7/ab".into(),
            incarnation: 40,
            lease: 9,
            progress: 3,
            attempts: 2,
            recoveries: 1,
            created: 1_700_000_000_000,
            updated: 1_700_000_000_001,
            completed: 1_700_000_000_002,
            ttl: 60_000,
            revision: 5,
            order: 7,
            cancelled: true,
            note: b"{}".to_vec(),
            input: b"[1]".to_vec(),
            value: b"\"paid\"".to_vec(),
            ..Record::new("s/order:7/charge:7")
        }
    }

    #[test]
    fn a_record_round_trips() {
        for record in [full(), Record::new("")] {
            assert_eq!(Record::decode(&record.key, &record.encode()), Ok(record));
        }
    }

    #[test]
    fn flipped_bits_and_truncation_are_detected() {
        let record = full();
        let bytes = record.encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Record::decode(&record.key, &damaged).is_err(), "byte {at}, bit {bit}");
            }
            assert!(Record::decode(&record.key, &bytes[..at]).is_err(), "cut at {at}");
        }
        let longer = [bytes.as_slice(), b"\0"].concat();
        assert!(Record::decode(&record.key, &longer).is_err());
    }

    #[test]
    fn a_record_is_only_found_under_its_own_key() {
        let record = full();
        assert_eq!(Record::decode("s/order:8/charge:8", &record.encode()), Err(Corrupt::OtherKey));
    }

    #[test]
    fn a_later_format_and_an_unknown_codec_are_named() {
        for (at, byte, reason) in [(4, 3, Corrupt::LaterFormat(3)), (6, 2, Corrupt::UnknownCodec(2))] {
            let (mut head, body) = full().encode_parts();
            head[at] = byte;
            let end = head.len() - 4;
            let checksum = CHECKSUM.checksum(&head[..end]).to_le_bytes();
            head[end..].copy_from_slice(&checksum);
            assert_eq!(Record::decode_parts(&full().key, &head, &body), Err(reason));
            let whole = [head, body].concat();
            assert_eq!(Record::decode(&full().key, &whole), Err(reason));
        }
    }

    #[test]
    fn a_head_is_decoded_without_its_body() {
        let (head, body) = full().encode_parts();
        let expected = Record { input: Vec::new(), value: Vec::new(), ..full() };
        assert_eq!(Record::decode_head(&full().key, &head), Ok(expected));
        let other = [body.as_slice(), b"x"].concat();
        assert_eq!(Record::decode_parts(&full().key, &head, &other), Err(Corrupt::Checksum));
    }
}
