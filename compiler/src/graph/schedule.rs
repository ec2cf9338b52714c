//! `on cron "0 9 * * mon" in "Europe/Berlin"`: is there such a time?
//!
//! In: the line and the time zone as written. Out: the trigger; what no clock shows is reported.

use flow_model::{
    cron::{CronLine, CronProblem, FIELDS},
    diagnostic::{Code, Diagnostic, Edit},
    plan::{CatchUp, TriggerKind},
    ty::{Field, Type},
};
use indexmap::IndexMap;

use super::lower::Lowering;
use crate::{
    ast::{Arg, ExprKind, Ident, TriggerClause, TriggerClauseValue},
    names::similar,
};

/// The words after `catch_up:`.
const CATCH_UP: [&str; 3] = ["none", "last", "all"];

/// What each field of a line can hold.
const ALLOWED: [&str; 5] = [
    "`0` to `59`, `*`, `*/15`",
    "`0` to `23`, `*`, `9-17`",
    "`1` to `31`, `*`, `L` for the last",
    "`1` to `12`, `jan` to `dec`, `*`",
    "`0` to `7` or `sun` to `sat`, `mon-fri`, `*`",
];

/// What a trigger by the clock brings.
pub(super) fn payload() -> Type {
    Type::Record(IndexMap::from([("scheduled_at".to_owned(), Field::of(Type::Timestamp))]))
}

impl Lowering<'_> {
    /// The kind of the trigger; `catch_up` is put in by its clause.
    pub(super) fn cron(&mut self, line: &Ident, zone: Option<&Ident>) -> TriggerKind {
        if let Err(problem) = CronLine::parse(&line.text) {
            self.no_such_time(line, &problem);
        }
        if let Some(zone) = zone {
            self.check_zone(zone);
        }
        let zone = zone.map_or_else(|| "UTC".to_owned(), |zone| zone.text.clone());
        let fields: Vec<&str> = line.text.split_whitespace().collect();
        TriggerKind::Cron { line: fields.join(" "), zone, catch_up: CatchUp::Last }
    }

    fn no_such_time(&mut self, line: &Ident, problem: &CronProblem) {
        let meant = match line.text.trim() {
            "@hourly" => Some("0 * * * *"),
            "@daily" | "@midnight" => Some("0 0 * * *"),
            "@weekly" => Some("0 0 * * sun"),
            "@monthly" => Some("0 0 1 * *"),
            "@yearly" | "@annually" => Some("0 0 1 1 *"),
            _ => None,
        };
        if let Some(meant) = meant {
            let help = format!("write `\"{meant}\"`");
            let edits = vec![Edit { span: line.span, text: format!("\"{meant}\"") }];
            let message = format!("a cron line has no short form `{}`", line.text.trim());
            let problem = Diagnostic::new(Code::E0416, message, line.span, "not five fields");
            self.el.problems.push(problem.help(help.clone()).fix(help, edits));
            return;
        }
        let (message, label, help) = match problem {
            CronProblem::Fields(count) => (
                "a cron line has five fields".to_owned(),
                match count {
                    1 => "one field".to_owned(),
                    count => format!("{count} fields"),
                },
                "they are minute, hour, day of the month, month and day of the week: `0 9 * * mon` is each Monday at nine"
                    .to_owned(),
            ),
            CronProblem::Field(index, text) => {
                let field = FIELDS.get(*index).copied().unwrap_or("field");
                let allowed = ALLOWED.get(*index).copied().unwrap_or("`*`");
                (format!("`{text}` is no {field}"), format!("the {field} is `{text}`"), format!("write {allowed}"))
            }
            CronProblem::Never => (
                "this time never comes".to_owned(),
                "no day fits all of it".to_owned(),
                "look at the day of the month and the month: February has no 30th".to_owned(),
            ),
        };
        self.el.problems.push(Diagnostic::new(Code::E0416, message, line.span, label).help(help));
    }

    fn check_zone(&mut self, zone: &Ident) {
        if jiff::tz::TimeZone::get(&zone.text).is_ok() {
            return;
        }
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let problem = Diagnostic::new(
            Code::E0416,
            format!("there is no time zone `{}`", zone.text),
            zone.span,
            "not in the time zone database",
        );
        // `Berlin` for `Europe/Berlin`
        let city = known.iter().find(|name| {
            name.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(&zone.text.replace(' ', "_")))
        });
        let near = city.map(String::as_str).or_else(|| similar(&zone.text, known.iter().map(String::as_str)));
        self.el.problems.push(match near {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: zone.span, text: format!("\"{near}\"") }]),
            None => problem.help("write its IANA name: `Europe/Berlin`, `America/New_York`, `UTC`"),
        });
    }

    /// `catch_up: none | last | all | all(100)`
    pub(super) fn catch_up(&mut self, clause: &TriggerClause) -> CatchUp {
        let word = match &clause.value {
            TriggerClauseValue::NoneBecause(None) => return CatchUp::None,
            TriggerClauseValue::Expr(value) => match &value.kind {
                ExprKind::Name(word) => Some((word.as_str(), value.span)),
                ExprKind::Call { callee, types, args } if types.is_empty() => match (&callee.kind, args.as_slice()) {
                    (ExprKind::Name(word), [Arg { name: None, value: most, .. }]) if word == "all" => {
                        return self.count(most).map_or(CatchUp::All, CatchUp::AtMost);
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        match word {
            Some(("last", _)) => return CatchUp::Last,
            Some(("all", _)) => return CatchUp::All,
            Some((word, span)) => {
                let problem =
                    Diagnostic::new(Code::E0411, format!("there is no `catch_up: {word}`"), span, "not known");
                self.el.problems.push(match similar(word, CATCH_UP) {
                    Some(near) => problem
                        .help(format!("did you mean `{near}`?"))
                        .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
                    None => problem.help(
                        "times that passed while nothing ran: `none` leaves them out, `last` makes up for the latest, `all` for each, `all(100)` for the latest 100",
                    ),
                });
            }
            None => self.wrong_clause(
                clause,
                "write `catch_up: none`, `catch_up: last`, `catch_up: all`, or `catch_up: all(100)` for the latest 100",
            ),
        }
        CatchUp::Last
    }
}
