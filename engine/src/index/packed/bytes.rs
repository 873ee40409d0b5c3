//! Values as bytes, one after the other, and back.

use jiff::Timestamp;

use crate::keys;
use crate::objects::{Uid, Word};

/// Labels and annotations that are met all the time. All others are written out.
const KEYS: [&str; 4] =
    [keys::KUEUE_QUEUE, keys::KUEUE_WORKLOAD, keys::VOLCANO_GROUP, keys::YUNIKORN_APP];

/// In place of the number of a word or key: it is written out.
const WRITTEN_OUT: u8 = u8::MAX;

/// Writes values.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// What was written, in no more room than it needs.
    pub(super) fn finish(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow (LEB128).
    pub(super) fn number(&mut self, mut number: u64) {
        loop {
            let [lowest, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(lowest);
            }
            self.0.push(lowest | 0x80);
        }
    }

    pub(super) fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    /// Small ones in few bytes, negative ones, too.
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        self.text(text.unwrap_or_default());
    }

    pub(super) fn uid(&mut self, uid: Uid) {
        self.0.extend_from_slice(&uid.as_u128().to_le_bytes());
    }

    pub(super) fn word(&mut self, word: &Word) {
        self.one_of(word.place(), word);
    }

    pub(super) fn key(&mut self, key: &str) {
        let place = KEYS.iter().position(|known| *known == key);
        self.one_of(place.and_then(|place| u8::try_from(place).ok()), key);
    }

    fn one_of(&mut self, place: Option<u8>, text: &str) {
        self.0.push(place.unwrap_or(WRITTEN_OUT));
        if place.is_none() {
            self.text(text);
        }
    }

    /// Nearly all are whole seconds: the API server stores no others.
    pub(super) fn time(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else { return self.0.push(0) };
        let (seconds, rest) = (time.as_second(), time.subsec_nanosecond());
        self.0.push(if rest == 0 { 1 } else { 2 });
        self.signed(seconds);
        if rest != 0 {
            self.signed(rest.into());
        }
    }
}

/// Reads what a [`Writer`] has written, in the same order. Beyond the end everything is empty.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() != 0
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    pub(super) fn small_number(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or_default()
    }

    pub(super) fn length(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or_default()
    }

    pub(super) fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    pub(super) fn text(&mut self) -> &'a str {
        let length = self.length();
        std::str::from_utf8(self.take(length)).unwrap_or_default()
    }

    pub(super) fn optional_text(&mut self) -> Option<&'a str> {
        let (is_there, text) = (self.flag(), self.text());
        is_there.then_some(text)
    }

    pub(super) fn uid(&mut self) -> Uid {
        let bytes = self.take(size_of::<u128>()).try_into();
        bytes.map_or(Uid::NIL, |bytes| Uid::from_u128(u128::from_le_bytes(bytes)))
    }

    pub(super) fn word(&mut self) -> Word {
        match self.byte() {
            WRITTEN_OUT => self.text().into(),
            place => Word::at(place),
        }
    }

    pub(super) fn key(&mut self) -> &'a str {
        match self.byte() {
            WRITTEN_OUT => self.text(),
            place => KEYS.get(usize::from(place)).copied().unwrap_or_default(),
        }
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        let (seconds, rest) = match self.byte() {
            0 => return None,
            1 => (self.signed(), 0),
            _ => (self.signed(), self.signed()),
        };
        Timestamp::new(seconds, i32::try_from(rest).ok()?).ok()
    }

    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.length();
        (0..length).map(|_| read(self)).collect()
    }
}
