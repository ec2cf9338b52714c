//! Words and signs that other languages have where Flow has others, or none: `unless`, `finally`, `xs[1:3]`, `19%`.

use super::{FAR, Found, Search};
use crate::{
    idiom::Idiom,
    problem::{Edit, Habit, Problem, ProblemKind},
    scan::HOLE,
    token::{CONTROL, STATEMENTS, TokenKind, closes, opens},
};

impl Search<'_> {
    /// The idiom that begins at a token.
    pub(super) fn idiom(&self, at: usize) -> Option<(Found, usize)> {
        match self.token(at)?.kind {
            TokenKind::Number => return self.thousands(at).or_else(|| self.percent(at)),
            TokenKind::Word | TokenKind::Sign | TokenKind::Open => {}
            _ => return None,
        }
        match self.text(at) {
            "unless" => self.unless(at),
            "trigger" | "when" => self.trigger_word(at).or_else(|| self.when_bound(at)),
            "optional" => self.optional_first(at).or_else(|| self.let_clause(at)),
            "with" | "undo" | "catch" if self.text(at.saturating_sub(1)) == ")" => {
                self.let_clause(at).or_else(|| self.no_arms(at))
            }
            "compensate" | "rollback" | "revert" | "finally" | "ensure" => {
                self.compensate(at).or_else(|| self.after_block(at))
            }
            "saga" | "parallel" | "try" | "race" => self.block_head(at),
            "timeout" | "until" => self.timeout_word(at),
            "timezone" | "tz" | "zone" => self.zone_word(at),
            "call" | "run" | "invoke" | "execute" => self.call_word(at),
            "delete" | "del" => self.delete(at),
            "log" => self.log_several(at),
            "respond" => self.respond_more(at),
            "step" => self.no_parens(at).or_else(|| self.dash_name(at)),
            "steps" => self.steps_block(at),
            "first" => self.first_block(at),
            "repeat" => self.repeat_head(at),
            "catch" => self.no_arms(at),
            "starts_with" => self.starts_with_call(at),
            "(" => self.cast(at),
            "[" => self.slice(at),
            "|" => self.lambda_bars(at).or_else(|| self.pipe(at)),
            "*" => self.power(at),
            ":" => self.double_colon(at),
            "/" => self.regex_value(at),
            "." | "?." => self.dangling_dot(at).or_else(|| self.member_entry(at)),
            "on" => self.retry_status(at).or_else(|| self.trigger_parts(at)),
            _ => self.idiom_of_item(at),
        }
    }

    /// A habit that is an idiom.
    pub(super) fn told(&self, from: usize, to: usize, idiom: Idiom, edits: Vec<Edit>) -> Option<Found> {
        self.found(from, to, Habit::Idiom(idiom), edits)
    }

    /// The last token of the chain of members and calls that begins at a token.
    fn chain_end(&self, at: usize) -> usize {
        let mut last = at;
        for _ in 0..FAR {
            if !self.touch(last) {
                break;
            }
            match self.text(last + 1) {
                "(" | "[" => match self.closing(last + 1) {
                    Some(close) => last = close,
                    None => break,
                },
                "." | "?." if self.is_word(last + 2) => last += 2,
                _ => break,
            }
        }
        last
    }

    /// The first token of the line of a token.
    pub(super) fn line_start(&self, at: usize) -> usize {
        (0..=at).rev().take(FAR).find(|index| self.is_first(*index)).unwrap_or(at)
    }

    /// Whether a statement may begin at a token.
    pub(super) fn begins_statement(&self, at: usize) -> bool {
        self.is_first(at) || matches!(at.checked_sub(1).map(|before| self.text(before)), Some("{" | "}"))
    }

    /// `unless a == b { … }`
    fn unless(&self, at: usize) -> Option<(Found, usize)> {
        let open = (at + 1..=self.statement_end(at)).find(|index| self.text(*index) == "{")?;
        if !self.begins_statement(at) || open == at + 1 || !(self.is_word(at + 1) || self.text(at + 1) == "(") {
            return None;
        }
        let condition = self.source(at + 1, open - 1)?;
        let meant = match self.chain_end(at + 1) == open - 1 {
            true => format!("if not {condition}"),
            false => format!("if not ({condition})"),
        };
        let fix = vec![self.edit(at, open - 1, meant.as_str())?];
        let found = self.told(at, at, Idiom::Unless(meant), vec![self.edit(at, at, "if")?])?;
        Some((self.fixed(found, fix), at + 1))
    }

    /// `trigger every 15m`, `when cron "…"`, `trigger { … }`
    fn trigger_word(&self, at: usize) -> Option<(Found, usize)> {
        let is_block = self.text(at) == "trigger" && self.text(at + 1) == "{";
        let is_source = matches!(self.text(at + 1), "every" | "cron" | "http" | "event" | "file");
        let is_in_flow =
            self.opening(at).is_some_and(|open| matches!(self.text(self.line_start(open)), "flow" | "private"));
        if !self.is_first(at) || !is_in_flow || !(is_block || is_source) || self.is_first(at + 1) {
            return None;
        }
        if is_block {
            let close = self.closing(at + 1)?;
            return Some((self.told(at, at, Idiom::TriggerBlock, vec![self.edit(at, close, HOLE)?])?, close + 1));
        }
        let end = self.statement_end(at);
        let meant = format!("on {}", self.source(at + 1, end)?);
        Some((self.told(at, at, Idiom::TriggerWord(meant), vec![self.edit(at, at, "on")?])?, at + 1))
    }

    /// `on file ["a", "b"]`, `on every 15m { … } { … }`
    fn trigger_parts(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.depth.get() == 0 || self.text(at + 1) == "error" {
            return None;
        }
        let end = self.statement_end(at);
        if matches!(self.text(at + 1), "file" | "cron" | "every" | "event") && self.text(at + 2) == "[" {
            let close = self.closing(at + 2)?;
            let word = self.text(at + 1).to_owned();
            let hole = vec![self.edit(at + 1, close, HOLE)?];
            return Some((self.told(at + 2, close, Idiom::TriggerList(word), hole)?, close + 1));
        }
        let open = (at + 1..=end).find(|index| self.text(*index) == "{")?;
        let close = self.closing(open)?;
        if self.text(close + 1) != "{" || self.is_first(close + 1) {
            return None;
        }
        let edits = vec![self.edit(close, close, "")?, self.edit(close + 1, close + 1, "")?];
        Some((self.told(close + 1, close + 1, Idiom::TriggerBlocks, edits)?, close + 2))
    }

    /// `NotFound as e when e.message == "" =>`
    fn when_bound(&self, at: usize) -> Option<(Found, usize)> {
        let is_bound = at >= 3 && self.text(at - 2) == "as" && self.is_name(at - 1) && !self.is_first(at);
        let ends = |index: &usize| self.token(*index).is_some_and(|token| !token.first);
        let goes_on = (at + 1..at + 40).take_while(ends).any(|index| self.text(index) == "=>");
        if !is_bound || !goes_on {
            return None;
        }
        Some((self.found(at, at, Habit::When, vec![self.edit(at, at, "if")?])?, at + 1))
    }

    /// `optional step a = …`
    fn optional_first(&self, at: usize) -> Option<(Found, usize)> {
        if !self.begins_statement(at) || self.text(at + 1) != "step" || self.is_first(at + 1) {
            return None;
        }
        let edits = vec![self.drop(at)?, self.after(self.statement_end(at + 1), " optional")?];
        Some((self.told(at, at, Idiom::OptionalFirst, edits)?, at + 1))
    }

    /// `let a = files.read(…) with patient`
    fn let_clause(&self, at: usize) -> Option<(Found, usize)> {
        let start = self.line_start(at);
        let call = start + 3;
        let last = self.path_end(call)?;
        let is_call = self.text(last + 1) == "(" && self.closing(last + 1) == at.checked_sub(1) && last > call;
        if self.text(start) != "let" || !self.is_name(start + 1) || self.text(start + 2) != "=" || !is_call {
            return None;
        }
        let habit = Idiom::LetClause(self.text(at).to_owned(), self.text(start + 1).to_owned());
        Some((self.told(start, start, habit, vec![self.edit(start, start, "step")?])?, at + 1))
    }

    /// `step … compensate s3.objects.delete(…)`
    fn compensate(&self, at: usize) -> Option<(Found, usize)> {
        let last = self.path_end(at + 1)?;
        let is_after = self.text(at.checked_sub(1)?) == ")";
        if !is_after || !self.is_name(at + 1) || self.text(last + 1) != "(" {
            return None;
        }
        let called = self.source(at + 1, last)?.to_owned();
        Some((self.told(at, at, Idiom::Compensate(called), vec![self.edit(at, at, "undo")?])?, at + 1))
    }

    /// `} finally { … }`
    fn after_block(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at.checked_sub(1)?) != "}" || self.text(at + 1) != "{" {
            return None;
        }
        let close = self.closing(at + 1)?;
        let word = self.text(at).to_owned();
        Some((self.told(at, at, Idiom::AfterBlock(word), vec![self.edit(at, close, HOLE)?])?, close + 1))
    }

    /// `saga checkout { … }`, `parallel for p in ps { … }`, `parallel [ … ]`
    fn block_head(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at);
        let is_parallel = word == "parallel" && !self.is_first(at + 1);
        if is_parallel && self.text(at + 1) == "for" && self.is_name(at + 2) && self.text(at + 3) == "in" {
            let open = (at + 4..=self.statement_end(at)).find(|index| self.text(*index) == "{")?;
            let meant = format!("{} concurrency 8", self.source(at + 1, open - 1)?);
            let fix = vec![self.drop(at)?, self.after(open - 1, " concurrency 8")?];
            let found = self.told(at, at, Idiom::ParallelFor(meant), vec![self.drop(at)?])?;
            return Some((self.fixed(found, fix), at + 1));
        }
        if is_parallel && matches!(self.text(at + 1), "[" | "(") {
            let start = self.line_start(at);
            let close = self.closing(at + 1)?;
            return Some((self.told(at, at, Idiom::ParallelList, vec![self.edit(start, close, HOLE)?])?, close + 1));
        }
        if !self.is_name(at + 1) || self.text(at + 2) != "{" || self.is_first(at + 1) {
            return None;
        }
        let word = word.to_owned();
        Some((self.told(at + 1, at + 1, Idiom::NamedBlock(word), vec![self.drop(at + 1)?])?, at + 2))
    }

    /// `timeout 5m` in a `race`, `wait order.paid timeout 7d`
    fn timeout_word(&self, at: usize) -> Option<(Found, usize)> {
        let value = self.token(at + 1).filter(|value| value.kind == TokenKind::Number && !value.first)?;
        let time = value.text(self.source).to_owned();
        let is_in_race = self
            .opening(at)
            .and_then(|open| open.checked_sub(1))
            .is_some_and(|before| matches!(self.text(before), "race" | "parallel"));
        if is_in_race && self.is_first(at) {
            let edits = vec![self.edit(at, at, "sleep")?];
            return Some((self.told(at, at, Idiom::TimeoutStatement(time), edits)?, at + 2));
        }
        let start = self.line_start(at);
        let is_wait = (start..at).any(|index| self.text(index) == "wait" || self.text(index) == "approve");
        if !is_wait || self.is_first(at) || !self.is_value_end(at.checked_sub(1)?) {
            return None;
        }
        let fix = vec![self.edit(at, at, "for")?];
        let found = self.told(at, at, Idiom::WaitTimeout(time), vec![self.edit(at, at + 1, "")?])?;
        Some((self.fixed(found, fix), at + 2))
    }

    /// `on cron "0 9 * * *" timezone "Europe/Berlin"`
    fn zone_word(&self, at: usize) -> Option<(Found, usize)> {
        let is_cron = at >= 2 && self.is_text(at - 1) && self.text(at - 2) == "cron";
        if !is_cron || !self.is_text(at + 1) {
            return None;
        }
        let zone = self.text(at + 1).to_owned();
        Some((self.told(at, at, Idiom::ZoneWord(zone), vec![self.edit(at, at, "in")?])?, at + 2))
    }

    /// `step x = call g(…)`
    fn call_word(&self, at: usize) -> Option<(Found, usize)> {
        let last = self.path_end(at + 1)?;
        let is_value = self.text(at.checked_sub(1)?) == "=";
        if !is_value || !self.is_name(at + 1) || self.is_first(at + 1) || self.text(last + 1) != "(" {
            return None;
        }
        let called = self.source(at + 1, last)?.to_owned();
        let habit = Idiom::CallWord(self.text(at).to_owned(), called);
        Some((self.told(at, at, habit, vec![self.drop(at)?])?, at + 1))
    }

    /// `delete m["a"]`
    fn delete(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.chain_end(at + 1);
        let is_part = matches!(self.text(end), "]") || self.text(end.checked_sub(1)?) == ".";
        if !self.begins_statement(at) || !self.is_name(at + 1) || self.is_first(at + 1) || !is_part {
            return None;
        }
        Some((self.told(at, at, Idiom::Delete, vec![self.edit(at, end, HOLE)?])?, end + 1))
    }

    /// `log "hello", id`
    fn log_several(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        if !self.begins_statement(at) || self.text(at + 1) == "." {
            return None;
        }
        let (mut depth, mut comma) = (0usize, None);
        for index in at + 1..end {
            let token = self.token(index)?;
            match self.text(index) {
                "," if depth == 0 => comma = comma.or(Some(index)),
                "=>" if depth == 0 => return None,
                // `read<A, B>(…)`
                "<" if depth == 0 && self.touch(index - 1) => return None,
                _ => {}
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
        }
        let comma = comma?;
        Some((self.told(comma, end, Idiom::LogSeveral, vec![self.edit(at, end, HOLE)?])?, end + 1))
    }

    /// `respond 200 { … } headers { … }`
    fn respond_more(&self, at: usize) -> Option<(Found, usize)> {
        let close = self.closing(at + 2).filter(|_| self.text(at + 2) == "{")?;
        let word = close + 1;
        let goes_on = matches!(self.text(word + 1), "{" | ":" | "(") || self.is_text(word + 1);
        if !self.begins_statement(at) || !self.is_word(word) || self.is_first(word) || !goes_on {
            return None;
        }
        let end = self.statement_end(word);
        let told = self.text(word).to_owned();
        Some((self.told(word, end, Idiom::RespondMore(told), vec![self.edit(at, end, HOLE)?])?, end + 1))
    }

    /// `step slack.chat.post_message channel: "#a", text: "x"`
    fn no_parens(&self, at: usize) -> Option<(Found, usize)> {
        let call = at + 1 + if self.text(at + 2) == "=" { 2 } else { 0 };
        let last = self.path_end(call)?;
        let first = last + 1;
        let is_argument = self.is_word(first) && self.text(first + 1) == ":" && !self.is_first(first);
        if !self.begins_statement(at) || !self.is_name(call) || last == call || !is_argument {
            return None;
        }
        let end = self.statement_end(first);
        let is_clause = |index: &usize| matches!(self.text(*index), "with" | "catch" | "else" | "optional" | "undo");
        let end = (first..=end).find(is_clause).map_or(end, |clause| clause - 1);
        let gap = Edit { start: self.token(last)?.end, end: self.token(first)?.start, text: "(".to_owned() };
        let called = self.source(call, last)?.to_owned();
        Some((self.told(first, end, Idiom::NoParens(called), vec![gap, self.after(end, ")")?])?, end + 1))
    }

    /// `step slack.chat.post-message(…)`
    fn dash_name(&self, at: usize) -> Option<(Found, usize)> {
        let call = at + 1 + if self.text(at + 2) == "=" { 2 } else { 0 };
        let dash = self.path_end(call)? + 1;
        let joins = |index: usize| self.text(index) == "-" && self.touch(index - 1) && self.touch(index);
        if !self.begins_statement(at) || !joins(dash) || !self.is_word(dash + 1) {
            return None;
        }
        let mut last = dash + 1;
        while joins(last + 1) && self.is_word(last + 2) {
            last += 2;
        }
        let close = self.closing(last + 1).filter(|_| self.text(last + 1) == "(" && self.touch(last))?;
        let meant = self.source(call, last)?.replace('-', "_");
        let fix = vec![self.edit(call, last, meant.as_str())?];
        let found = self.told(call, last, Idiom::DashName(meant), vec![self.edit(at, close, HOLE)?])?;
        Some((self.fixed(found, fix), close + 1))
    }

    /// `steps { … }`
    fn steps_block(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.text(at + 1) != "{" || self.depth.get() == 0 {
            return None;
        }
        let close = self.closing(at + 1)?;
        Some((self.told(at, at, Idiom::StepsBlock, vec![self.edit(at, close, HOLE)?])?, close + 1))
    }

    /// `first { … }`, `first p in ps concurrency 2 { … }`
    fn first_block(&self, at: usize) -> Option<(Found, usize)> {
        let is_value = at.checked_sub(1).is_some_and(|before| self.text(before) == "=");
        if !(self.begins_statement(at) || is_value) || self.is_first(at + 1) {
            return None;
        }
        if self.text(at + 1) == "{" && self.text(at + 3) != ":" {
            let close = self.closing(at + 1)?;
            return Some((self.told(at, at, Idiom::FirstBlock, vec![self.edit(at, close, HOLE)?])?, close + 1));
        }
        if !self.is_name(at + 1) || self.text(at + 2) != "in" {
            return None;
        }
        let end = self.statement_end(at);
        let word = (at + 3..=end).find(|index| self.text(*index) == "concurrency")?;
        let is_count = self.token(word + 1)?.kind == TokenKind::Number && self.text(word + 2) == "{";
        let drop = Edit { start: self.token(word)?.start, end: self.token(word + 2)?.start, text: String::new() };
        let found = self.told(word, word + 1, Idiom::FirstConcurrency, vec![drop])?;
        is_count.then_some((found, word + 2))
    }

    /// `repeat while busy { … }`, `repeat every 10s up to 30 times { … }`
    fn repeat_head(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let open = (at + 1..=end).find(|index| self.text(*index) == "{")?;
        let place = |word: &str, from: usize| (from..open).find(|index| self.text(*index) == word);
        let is_whole = self.text(at + 1) == "every"
            && place("up", at + 2).is_some_and(|up| {
                self.text(up + 1) == "to" && place("times", up + 2).is_some_and(|times| self.text(times + 1) == "until")
            });
        // A brace that opens no body: `until x == { … } { … }`, `every (x -> { … })(…)`, `every match x { … }`.
        let is_value = matches!(self.text(open.checked_sub(1)?), "=" | "==" | "!=" | "(" | "->" | "," | ":");
        let is_control = (at + 1..open).any(|index| CONTROL.contains(&self.text(index)) || self.text(index) == "first");
        let begins = self.begins_statement(at) || self.text(at.checked_sub(1)?) == "=";
        if is_whole || is_value || is_control || !begins {
            return None;
        }
        let head = format!("repeat every 10s up to 30 times until {HOLE} ");
        let mut edits = vec![Edit { start: self.token(at)?.start, end: self.token(open)?.start, text: head }];
        // `repeat … { … } until done`
        if let Some(after) = self.closing(open).map(|close| close + 1)
            && matches!(self.text(after), "until" | "while")
        {
            edits.push(self.edit(after, self.statement_end(after), "")?);
        }
        Some((self.told(at, open - 1, Idiom::Repeat, edits)?, open))
    }

    /// `catch { log "failed" }`
    fn no_arms(&self, at: usize) -> Option<(Found, usize)> {
        let first = at + 2;
        let is_statement = STATEMENTS.contains(&self.text(first)) && !matches!(self.text(first + 1), "=>" | "|" | "as");
        if self.text(at + 1) != "{" || !is_statement {
            return None;
        }
        let close = self.closing(at + 1)?;
        let has_arms = (first..close).any(|index| self.text(index) == "=>" && self.opening(index) == Some(at + 1));
        if has_arms {
            return None;
        }
        let edits = vec![self.after(at + 1, " _ => {")?, self.before(close, "} ")?];
        Some((self.told(first, first, Idiom::NoArms, edits)?, first))
    }

    /// `starts_with("a") =>`
    fn starts_with_call(&self, at: usize) -> Option<(Found, usize)> {
        let close = at + 3;
        let is_arm = matches!(self.text(close + 1), "=>" | "|" | "if");
        if self.text(at + 1) != "(" || !self.is_text(at + 2) || self.text(close) != ")" || !is_arm {
            return None;
        }
        let meant = format!("starts_with {}", self.text(at + 2));
        let edits = vec![self.edit(at + 1, at + 1, " ")?, self.edit(close, close, "")?];
        Some((self.told(at + 1, close, Idiom::StartsWithCall(meant), edits)?, close + 1))
    }

    /// `(Int) value`
    fn cast(&self, at: usize) -> Option<(Found, usize)> {
        let value = at + 3;
        let is_type =
            self.is_type(at + 1) && self.text(at + 2) == ")" && !at.checked_sub(1).is_some_and(|_| self.touch(at - 1));
        let begins = (self.is_name(value) || self.is_text(value)) && !self.is_first(value);
        if !is_type || !begins {
            return None;
        }
        let end = self.chain_end(value);
        let meant = format!("{} as {}", self.source(value, end)?, self.text(at + 1));
        let fix = vec![self.edit(at, end, meant.as_str())?];
        let found = self.told(at, at + 2, Idiom::Cast(meant), vec![self.edit(at, end, HOLE)?])?;
        Some((self.fixed(found, fix), end + 1))
    }

    /// `xs[1:3]`
    fn slice(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let close = self.closing(at)?;
        let is_own = |index: &usize| self.text(*index) == ":" && self.opening(*index) == Some(at);
        let colon = (at + 1..close).find(is_own)?;
        if !self.touch(before) || !self.is_value_end(before) {
            return None;
        }
        let start = self.chain_start(before);
        let from = if colon == at + 1 { "0" } else { self.source(at + 1, colon - 1)? };
        let list = self.source(start, before)?;
        let meant = match colon + 1 == close {
            true => format!("{list}.slice({from})"),
            false => format!("{list}.slice({from}, {})", self.source(colon + 1, close - 1)?),
        };
        let fix = vec![self.edit(start, close, meant.as_str())?];
        let found = self.told(at, close, Idiom::Slice(meant), vec![self.edit(start, close, HOLE)?])?;
        Some((self.fixed(found, fix), close + 1))
    }

    /// `xs.map(|x| x + 1)`
    fn lambda_bars(&self, at: usize) -> Option<(Found, usize)> {
        if !matches!(self.text(at.checked_sub(1)?), "(" | ",") {
            return None;
        }
        let bar = (at + 1..at + 8).find(|index| self.text(*index) == "|")?;
        let is_head = (at + 1..bar).all(|index| self.is_name(index) || self.text(index) == ",");
        if bar == at + 1 || !is_head {
            return None;
        }
        let names = self.source(at + 1, bar - 1)?;
        let head = if bar == at + 2 { format!("{names} ->") } else { format!("({names}) ->") };
        let (open, close) = if bar == at + 2 { ("", " ->") } else { ("(", ") ->") };
        let edits = vec![self.edit(at, at, open)?, self.edit(bar, bar, close)?];
        Some((self.told(at, bar, Idiom::LambdaBars(head), edits)?, bar + 1))
    }

    /// `x |> upper`
    fn pipe(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != ">" || !self.touch(at) || !self.is_value_end(at.checked_sub(1)?) {
            return None;
        }
        let mut end = self.chain_end(at + 2);
        while self.text(end + 1) == "|" && self.text(end + 2) == ">" {
            end = self.chain_end(end + 3);
        }
        let start = self.chain_start(at - 1);
        Some((self.told(at, at + 1, Idiom::Pipe, vec![self.edit(start, end, HOLE)?])?, end + 1))
    }

    /// `x ** 2`
    fn power(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "*" || !self.touch(at) || !self.is_value_end(at.checked_sub(1)?) {
            return None;
        }
        let (start, end) = (self.chain_start(at - 1), self.chain_end(at + 2));
        Some((self.told(at, at + 1, Idiom::Power, vec![self.edit(start, end, HOLE)?])?, end + 1))
    }

    /// `1,000.50`
    fn thousands(&self, at: usize) -> Option<(Found, usize)> {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_group = |index: usize| {
            let text = self.text(index);
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            self.token(index).is_some_and(|token| token.kind == TokenKind::Number)
                && whole.len() == 3
                && is_digits(whole)
                && is_digits(fraction)
        };
        let mut last = at;
        while self.text(last + 1) == "," && self.touch(last) && self.touch(last + 1) && is_group(last + 2) {
            last += 2;
        }
        let is_in_braces = self.opening(at).is_none_or(|open| self.text(open) == "{");
        // `f(1,000)`: nobody writes the second of two arguments so.
        let is_one = is_in_braces || (at + 2..=last).step_by(2).all(|index| self.text(index).starts_with('0'));
        let whole = self.text(at);
        if last == at
            || !is_one
            || whole.len() > 3
            || !is_digits(whole)
            || matches!(self.text(last + 1), "=>" | "|" | "if")
        {
            return None;
        }
        let meant = self.source(at, last)?.replace(',', "_");
        let edits = vec![self.edit(at, last, meant.as_str())?];
        Some((self.told(at, last, Idiom::Thousands(meant), edits)?, last + 1))
    }

    /// `19%`
    fn percent(&self, at: usize) -> Option<(Found, usize)> {
        let ends = self.token(at + 2).is_none_or(|next| next.first || closes(next) || self.text(at + 2) == ",");
        if self.text(at + 1) != "%" || !self.touch(at) || !ends {
            return None;
        }
        let text = self.text(at).replace('_', "");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{whole:0>3}");
        let (units, rest) = digits.split_at_checked(digits.len() - 2)?;
        let meant = format!("{units}.{rest}{fraction}");
        let edits = vec![self.edit(at, at + 1, meant.as_str())?];
        Some((self.told(at, at + 1, Idiom::Percent(meant), edits)?, at + 2))
    }

    /// `Tier::Pro`
    fn double_colon(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_path = self.text(at + 1) == ":" && self.touch(at) && self.touch(before) && self.touch(at + 1);
        if !is_path || !self.is_word(before) || !self.is_word(at + 2) {
            return None;
        }
        let meant = format!("{}.{}", self.text(before), self.text(at + 2));
        Some((self.told(at, at + 1, Idiom::DoubleColon(meant), vec![self.edit(at, at + 1, ".")?])?, at + 2))
    }

    /// `name.matches(/x+/)`
    fn regex_value(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_value = matches!(self.text(before), "(" | "," | "=" | ":" | "pattern");
        if !is_value || self.is_first(at) {
            return None;
        }
        let line = self.token(at)?.line;
        let ends = |index: usize| {
            let next = self.token(index + 1);
            next.is_none_or(|next| next.first || closes(next) || matches!(self.text(index + 1), "," | "@"))
        };
        let is_flag = |index: usize| self.is_word(index) && self.touch(index - 1) && self.text(index).len() <= 3;
        let same_line = |index: &usize| self.token(*index).is_some_and(|token| token.line == line);
        let close = (at + 1..at + 60).take_while(same_line).find(|index| {
            let last = if is_flag(index + 1) { index + 1 } else { *index };
            self.text(*index) == "/" && ends(last)
        })?;
        let last = if is_flag(close + 1) { close + 1 } else { close };
        let pattern = self.source.get(self.token(at)?.end as usize..self.token(close)?.start as usize)?;
        let meant = (!pattern.contains('"') && last == close).then(|| format!("r\"{}\"", pattern.replace("\\/", "/")));
        let hole = match self.text(before) {
            "pattern" => self.edit(before, last, "")?,
            _ => self.edit(at, last, HOLE)?,
        };
        let fix = meant.clone().and_then(|text| self.edit(at, last, text));
        let found = self.told(at, last, Idiom::RegexValue(meant), vec![hole])?;
        Some((self.fixed(found, fix.into_iter().collect()), last + 1))
    }

    /// `let a = id.` before a line that begins a statement, or the end of its block.
    fn dangling_dot(&self, at: usize) -> Option<(Found, usize)> {
        let next = self.token(at + 1)?;
        let word = self.text(at + 1);
        let is_statement = (STATEMENTS.contains(&word) || CONTROL.contains(&word))
            && !matches!(self.text(at + 2), "." | "?." | "(" | "=" | "," | ")");
        if !next.first || !(is_statement || word == "}") || !self.is_value_end(at.checked_sub(1)?) {
            return None;
        }
        let place = self.token(at)?.end;
        let expected = vec!["a member".to_owned()];
        let (found, kind) = (word.to_owned(), ProblemKind::Incomplete);
        let edits = vec![self.edit(at, at, "")?];
        Some(((Problem { start: place, end: place, expected, found, kind, fix: Vec::new() }, edits), at + 1))
    }

    /// `on: 429 | 503`
    fn retry_status(&self, at: usize) -> Option<(Found, usize)> {
        let first = at + 2;
        let mut kinds: Vec<&str> = Vec::new();
        let mut last = first;
        if self.text(at + 1) != ":" || self.token(first)?.kind != TokenKind::Number {
            return None;
        }
        loop {
            let kind = super::arm::kind_of(self.text(last))?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
            let goes_on = matches!(self.text(last + 1), "|" | ",")
                && self.token(last + 2).is_some_and(|next| next.kind == TokenKind::Number);
            if !goes_on {
                break;
            }
            last += 2;
        }
        let meant = format!("on: {}", kinds.join(" | "));
        let fix = vec![self.edit(first, last, kinds.join(" | "))?];
        let found = self.told(first, last, Idiom::RetryStatus(meant), vec![self.edit(first, last, HOLE)?])?;
        Some((self.fixed(found, fix), last + 1))
    }
}
