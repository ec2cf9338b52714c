//! Does a run have the time that its retries may take?
//!
//! In: the shortest `within:` of a flow's triggers, and the policy of each call. Out: a warning for the call that may take
//! longest, when its last attempts could only come after the run was given up. Only retries that somebody wrote count:
//! the defaults promise nothing that the deadline takes away.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    plan::{DEFAULT_TIMEOUT, Policy},
    span::Span,
    units::Millis,
};

use super::lower::Lowering;

/// The deadline of a run, and the call that goes furthest beyond it.
pub(super) struct Deadline {
    within: Millis,
    /// The clause.
    span: Span,
    worst: Option<Overrun>,
}

struct Overrun {
    takes: Millis,
    timeout: Millis,
    attempts: u32,
    /// The place that makes the call retry.
    retries: Span,
    /// The place of the call, and what is called.
    call: Span,
    called: String,
}

impl Lowering<'_> {
    /// Notes the `within:` of a trigger; of several the shortest counts.
    pub(super) fn ends_within(&mut self, within: Millis, span: Span) {
        if self.deadline.as_ref().is_none_or(|known| within < known.within) {
            self.deadline = Some(Deadline { within, span, worst: None });
        }
    }

    /// Compares what a call may take with the deadline.
    pub(super) fn in_time(&mut self, policy: &Policy, retries: Span, call: Span, called: String) {
        let Some(deadline) = &mut self.deadline else { return };
        let takes = policy.longest();
        let times = policy.retry.as_ref().map_or(0, |retry| retry.times);
        if times > 0 && takes > deadline.within && deadline.worst.as_ref().is_none_or(|worst| takes > worst.takes) {
            deadline.worst = Some(Overrun {
                takes,
                timeout: policy.timeout.unwrap_or(DEFAULT_TIMEOUT),
                attempts: times.saturating_add(1),
                retries,
                call,
                called,
            });
        }
    }

    /// Warns of the call that may take longest.
    pub(super) fn overrun(&mut self) {
        let Some(Deadline { within, span, worst: Some(worst) }) = self.deadline.take() else { return };
        self.el.problems.push(
            Diagnostic::new(
                Code::W0605,
                format!("a run is given up before `{}` was tried as often as it should be", worst.called),
                span,
                format!("the run ends after {within}"),
            )
            .label(
                worst.retries,
                format!("{} attempts and the waits between them: up to {}", worst.attempts, spoken(worst.takes)),
            )
            .label(worst.call, "this call")
            .help(match within.0.saturating_sub(worst.timeout.0) {
                0 => "let the run take longer, or give an attempt less time: `timeout: …`".to_owned(),
                // The last attempt begins within the budget.
                left => format!(
                    "let the run take longer, or end the retries earlier: `retry {{ … budget: {} }}`",
                    Millis(left)
                ),
            }),
        );
    }
}

/// A length of time in its two largest units: `2m 37s`.
fn spoken(length: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let Some(at) = units.iter().position(|(size, _)| length.0 >= *size) else { return length.to_string() };
    let mut rest = length.0;
    let mut parts = Vec::new();
    for (size, unit) in units.iter().skip(at).take(2) {
        if rest >= *size {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units() {
        let cases = [(157_500, "2m 37s"), (60_000, "1m"), (90_061_000, "1d 1h"), (1500, "1s 500ms"), (3_600_001, "1h")];
        for (millis, words) in cases {
            assert_eq!(spoken(Millis(millis)), words);
        }
    }
}
