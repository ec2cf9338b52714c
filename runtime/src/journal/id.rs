//! What identifies a run?

use std::{fmt, str::FromStr};

use flow_model::units::Instant;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

/// How many letters and digits an id has.
const LENGTH: usize = ulid::ULID_LEN;

/// The id of a run: a ULID, so ids sort by the time at which their runs began. It lies in place, since there may be as many
/// as runs that sleep.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; LENGTH]);

impl RunId {
    /// The id of a run that begins now, from 80 random bits; others are left out.
    pub fn new(now: Instant, random: u128) -> Self {
        Self::of(Ulid::from_parts(u64::try_from(now.0).unwrap_or(0), random))
    }

    /// The id of a run that follows from something else: begins at a time, and is the same for the same parts.
    pub fn derived(at: Instant, parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let bytes = digest.finalize();
        Self::new(at, bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }

    fn of(id: Ulid) -> Self {
        let mut text = [0; LENGTH];
        id.array_to_str(&mut text);
        Self(text)
    }

    /// When its run began, to the millisecond.
    pub fn began(&self) -> Instant {
        let id = Ulid::from_string(self.as_str()).expect("an id of a run is a ULID, and is made in no other way");
        Instant(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is written in letters and digits of ASCII")
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Text that is not the id of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a run: ids have 26 letters and digits, see `flowc runs list`")]
pub struct BadRunId(String);

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(Self::of).map_err(|_| BadRunId(text.chars().take(60).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let (early, late) = (RunId::new(Instant(1000), u128::MAX), RunId::new(Instant(1001), 0));
        assert!(early < late);
        assert_eq!(late.as_str().to_lowercase().parse::<RunId>().unwrap(), late);
        assert!("latest".parse::<RunId>().is_err());
    }
}
