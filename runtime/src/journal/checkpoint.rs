//! Where is a long journal taken up, other than at its beginning?
//!
//! A checkpoint holds how a run stood after an entry of its journal, with that entry's checksum. It stands beside the
//! journal, which stays whole, so it can be thrown away at any time: a run is then taken up from its first entry.

use sha2::{Digest as _, Sha256};

use super::{Chain, Damage, Row, RunId};

/// How a run stood after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the entry that comes next.
    pub seq: u64,
    /// The checksum of the entry before that.
    pub last: [u8; 16],
    /// Which program reads the body.
    pub form: String,
    /// How the run stood.
    pub body: String,
    /// The first 16 bytes of SHA-256 over the run and all the above.
    pub checksum: [u8; 16],
}

impl Checkpoint {
    /// Says whether it is what was written.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, run: &RunId) -> Result<(), Damage> {
        match self.checksum == checksum(run, self.seq, self.last, &self.form, &self.body) {
            true => Ok(()),
            false => Err(Damage::Checkpoint { seq: self.seq }),
        }
    }
}

impl Chain {
    /// How the run stands after the latest entry.
    pub fn checkpoint(&self, form: &str, body: String) -> Checkpoint {
        let checksum = checksum(&self.run, self.next, self.last, form, &body);
        Checkpoint { seq: self.next, last: self.last, form: form.to_owned(), body, checksum }
    }

    /// The chain after a checkpoint.
    ///
    /// # Errors
    /// When the checkpoint is not what was written.
    pub fn after(run: RunId, checkpoint: &Checkpoint) -> Result<Self, Damage> {
        checkpoint.check(&run)?;
        Ok(Self { run, next: checkpoint.seq, last: checkpoint.last })
    }

    /// The number of the next row.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Says whether a row is the latest of the chain.
    ///
    /// # Errors
    /// When it is missing or another.
    pub fn ends_with(&self, row: Option<&Row>) -> Result<(), Damage> {
        let latest = self.next.saturating_sub(1);
        match row {
            Some(row) if row.seq == latest && row.checksum == self.last => Ok(()),
            Some(row) if row.seq == latest => Err(Damage::Checksum { seq: latest }),
            Some(_) | None => Err(Damage::Gap { expected: latest }),
        }
    }
}

fn checksum(run: &RunId, seq: u64, last: [u8; 16], form: &str, body: &str) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update("checkpoint");
    digest.update(run.as_str());
    digest.update(seq.to_be_bytes());
    digest.update(last);
    digest.update((form.len() as u64).to_be_bytes());
    digest.update(form);
    digest.update(body);
    let mut checksum = [0; 16];
    for (to, from) in checksum.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    checksum
}

#[cfg(test)]
mod tests {
    use flow_model::units::Instant;

    use super::*;
    use crate::{
        journal::Entry,
        machine::{Event, Said},
    };

    #[test]
    fn a_chain_goes_on_after_a_checkpoint_as_it_would_have_without() {
        let run = RunId::new(Instant(1_700_000_000_000), 7);
        let entry = Entry { at: Instant(1), said: Said::Event(Event::Expired) };
        let mut chain = Chain::new(run.clone());
        let (first, second) = (chain.write(&entry), chain.write(&entry));
        let checkpoint = chain.checkpoint("1", "body".into());
        let third = chain.write(&entry);
        let mut after = Chain::after(run.clone(), &checkpoint).unwrap();
        assert_eq!((after.next(), after.ends_with(Some(&second))), (2, Ok(())));
        assert_eq!(after.ends_with(Some(&first)), Err(Damage::Gap { expected: 1 }));
        assert_eq!(after.ends_with(None), Err(Damage::Gap { expected: 1 }));
        let swapped = Row { checksum: first.checksum, ..second };
        assert_eq!(after.ends_with(Some(&swapped)), Err(Damage::Checksum { seq: 1 }));
        assert_eq!(after.read(&third).unwrap(), entry);
        assert_eq!(after.write(&entry), chain.write(&entry));
    }

    #[test]
    fn a_checkpoint_that_was_changed_or_is_another_runs_is_seen() {
        let run = RunId::new(Instant(1_700_000_000_000), 7);
        let mut chain = Chain::new(run.clone());
        chain.write(&Entry { at: Instant(1), said: Said::Event(Event::Expired) });
        let whole = chain.checkpoint("1", "body".into());
        let changed = [
            Checkpoint { seq: 2, ..whole.clone() },
            Checkpoint { last: [0; 16], ..whole.clone() },
            Checkpoint { form: "2".into(), ..whole.clone() },
            Checkpoint { form: "1b".into(), body: "ody".into(), ..whole.clone() },
            Checkpoint { body: "bodx".into(), ..whole.clone() },
        ];
        for changed in changed {
            assert_eq!(changed.check(&run), Err(Damage::Checkpoint { seq: changed.seq }));
        }
        let other = RunId::new(Instant(1_700_000_000_000), 8);
        assert!(whole.check(&run).is_ok() && Chain::after(other, &whole).is_err());
    }
}
