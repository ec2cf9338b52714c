//! How many calls a run makes at most, as a formula in the sizes of its lists.
//!
//! A formula is kept as a sum of products: `2 + 3 × |orders| + |orders| × |order.lines|`. The greater of two formulas
//! is taken term by term, which never understates it.

use std::{collections::BTreeMap, fmt};

/// A sum of products of sizes. Numbers saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// The factors of a product, sorted → how often the product counts. No factor is the plain number.
    terms: BTreeMap<Vec<String>, u64>,
}

impl Formula {
    /// A plain number.
    pub fn number(count: u64) -> Self {
        Self { terms: if count == 0 { BTreeMap::new() } else { BTreeMap::from([(Vec::new(), count)]) } }
    }

    /// The size of a list, by the list's name.
    pub fn size(list: impl Into<String>) -> Self {
        Self { terms: BTreeMap::from([(vec![list.into()], 1)]) }
    }

    /// Says whether it is zero whatever the sizes.
    pub fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    /// The number, if it depends on no size.
    pub fn as_number(&self) -> Option<u64> {
        match self.terms.iter().next() {
            None => Some(0),
            Some((factors, count)) if self.terms.len() == 1 && factors.is_empty() => Some(*count),
            Some(_) => None,
        }
    }

    /// Both, one after the other.
    pub fn plus(mut self, other: &Self) -> Self {
        for (factors, count) in &other.terms {
            let sum = self.terms.entry(factors.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self
    }

    /// Either of the two: at most as many as the greater count of each product.
    pub fn or(mut self, other: &Self) -> Self {
        for (factors, count) in &other.terms {
            let most = self.terms.entry(factors.clone()).or_default();
            *most = (*most).max(*count);
        }
        self
    }

    /// One for each of the other.
    pub fn times(&self, other: &Self) -> Self {
        let mut terms: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for (left, left_count) in &self.terms {
            for (right, right_count) in &other.terms {
                let mut factors: Vec<_> = left.iter().chain(right).cloned().collect();
                factors.sort();
                let sum = terms.entry(factors).or_default();
                *sum = sum.saturating_add(left_count.saturating_mul(*right_count));
            }
        }
        Self { terms }
    }
}

/// Writes the plain number first, then the products: `2 + 3 × |orders|`.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        for (index, (factors, count)) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(" + ")?;
            }
            let mut parts: Vec<String> = factors.iter().map(|list| format!("|{list}|")).collect();
            if *count != 1 || parts.is_empty() {
                parts.insert(0, count.to_string());
            }
            f.write_str(&parts.join(" × "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_multiply_branches_take_the_greater_and_sequences_add() {
        let item = Formula::number(2).plus(&Formula::size("order.lines").times(&Formula::number(5)));
        let run = Formula::number(1).plus(&Formula::size("orders").times(&item)).or(&Formula::number(3));
        assert_eq!(run.to_string(), "3 + 5 × |order.lines| × |orders| + 2 × |orders|");
        assert_eq!((run.as_number(), Formula::number(4).as_number()), (None, Some(4)));
        assert_eq!(Formula::default().to_string(), "0");
        assert!(Formula::number(u64::MAX).times(&Formula::number(2)).as_number() == Some(u64::MAX));
    }
}
