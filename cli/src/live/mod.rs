//! A run while it happens.
//!
//! In: the engine's progress messages. Out: lines on standard error. What is over is written once and stays; on a terminal
//! the steps under way are drawn below it, and drawn again as they change. Where the cursor can't be moved, only what is
//! over is written, and each retry.

mod step;

use std::io::{self, Write as _};

use flow_model::{failure::Failure, units::Instant};
use flow_runtime::{
    engine::{Happening, Progress},
    journal::{History, StepHistory, StepState},
    machine::{Place, Record},
};
use indexmap::IndexMap;

use self::step::{End, Stage, Step};
use crate::ui::{self, CARE, QUIET, Stream, plain, styled, table::cut};

/// Lines of the terminal that are left to what stands above the steps under way.
const KEPT: usize = 4;

/// The steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Board {
    steps: IndexMap<Place, Step>,
}

/// What a message adds for good.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Something is over.
    Over(String),
    /// A retry, which is worth a line only where the steps under way are not drawn.
    Retry(String),
}

impl Board {
    /// Takes a message in.
    pub(crate) fn apply(&mut self, progress: &Progress) -> Option<Line> {
        let at = progress.at;
        match &progress.what {
            Happening::StepStarted { place, connection, operation } => {
                let call = Some((connection.clone(), operation.clone()));
                self.begin(place, call, at);
                None
            }
            Happening::AttemptStarted { place, attempt } => {
                let step = self.begin(place, None, at);
                step.attempt = *attempt;
                step.stage = Stage::Calling;
                None
            }
            Happening::AttemptFailed { place, attempt, failure } => {
                let step = self.begin(place, None, at);
                step.attempt = *attempt;
                step.stage = Stage::Failing(failure.to_string());
                None
            }
            Happening::StepCompleted { place, attempts } => self.end(place, &End::Completed, Some(*attempts), at),
            Happening::Concluded(record) => self.conclude(record, at),
            Happening::RunStarted | Happening::StepOver { .. } | Happening::Standing(_) => None,
        }
    }

    fn conclude(&mut self, record: &Record, at: Instant) -> Option<Line> {
        let besides = |what: String| Some(Line::Over(format!("  {} {}", styled(QUIET, "·"), plain(&what))));
        match record {
            Record::Waits { place, until } => {
                let step = self.begin(place, None, at);
                let why = match &step.stage {
                    Stage::Failing(why) => Some(why.clone()),
                    _ => None,
                };
                step.stage = Stage::Waiting(*until, why.clone());
                why.map(|why| Line::Retry(step.retry(*until, &why, at)))
            }
            Record::StepFailed { place, failure } => self.end(place, &End::Failed(failure.in_words()), None, at),
            Record::Undecided { place, failure } => self.end(place, &End::Undecided(failure.to_string()), None, at),
            Record::Dropped { place } => self.end(place, &End::Dropped, None, at),
            Record::PassedOver { place, .. } => besides(format!("the run goes on without `{place}`")),
            Record::Logged { text, .. } => besides(text.clone()),
            Record::DeadLettered { queue, .. } => besides(format!("kept as a dead letter in `{queue}`")),
            Record::Emitted { event, .. } => besides(format!("the event `{event}` is on the bus")),
            Record::Listens { event, .. } => besides(format!("waits for the event `{event}`")),
            Record::Asked { question, by: None, .. } => besides(format!("waits for an approval: {question}")),
            Record::Asked { question, by: Some(by), .. } => {
                besides(format!("waits for an approval by {by}: {question}"))
            }
            Record::Called { flow, run, .. } => besides(format!("waits for the run {run} of `{flow}`")),
            Record::Undoing { because, .. } => besides(format!("undoes its steps: {because}")),
            Record::UndoFailed { place, failure } => besides(format!("`{place}` could not be undone: {failure}")),
            Record::Scheduled { .. } | Record::Observed { .. } | Record::Responded(_) | Record::Ended(_) => None,
        }
    }

    fn begin(&mut self, place: &Place, call: Option<(String, String)>, at: Instant) -> &mut Step {
        let step = self.steps.entry(place.clone()).or_insert_with(|| Step {
            place: place.clone(),
            call: None,
            waits: None,
            started_at: at,
            attempt: 0,
            stage: Stage::Queued,
        });
        step.call = step.call.take().or(call);
        step
    }

    fn end(&mut self, place: &Place, end: &End, attempts: Option<u32>, at: Instant) -> Option<Line> {
        let step = self.steps.shift_remove(place)?;
        Some(Line::Over(step.ended(end, attempts.unwrap_or(step.attempt), at)))
    }

    /// The steps under way, oldest first, in at most so many lines.
    fn lines(&mut self, now: Instant, frame: usize, most: usize) -> Vec<String> {
        self.steps.retain(|_, step| !step.has_slept(now));
        let shown = if self.steps.len() > most { most.saturating_sub(1) } else { self.steps.len() };
        let mut lines: Vec<String> = self.steps.values().take(shown).map(|step| step.line(now, frame)).collect();
        let others = self.steps.len() - shown;
        if others > 0 {
            lines.push(styled(QUIET, format!("  … and {}", ui::count(others, "more step"))));
        }
        lines
    }
}

/// The board on standard error.
pub(crate) struct Display {
    board: Board,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Lines only.
    Plain,
    /// Steps under way are drawn again in place: how many lines are drawn, and how often was drawn.
    Drawn { lines: usize, frame: usize },
}

impl Display {
    /// A display that fits standard error.
    pub(crate) fn new() -> Self {
        let mode = if ui::can_redraw() { Mode::Drawn { lines: 0, frame: 0 } } else { Mode::Plain };
        Self { board: Board::default(), mode }
    }

    /// Takes a message in, and writes what it adds for good.
    pub(crate) fn apply(&mut self, progress: &Progress) {
        match (self.board.apply(progress), self.mode) {
            (Some(Line::Over(line)), _) | (Some(Line::Retry(line)), Mode::Plain) => self.say(&line),
            (Some(Line::Retry(_)), Mode::Drawn { .. }) | (None, _) => {}
        }
    }

    /// Takes the steps over that were under way before there were messages.
    pub(crate) fn know(&mut self, history: &History) {
        for step in history.steps.iter().filter(|step| step.ended_at.is_none()) {
            self.board.steps.entry(step.place.clone()).or_insert_with(|| from_history(step));
        }
    }

    /// Messages were missed: what is drawn may be of the past, so it is dropped.
    pub(crate) fn missed(&mut self, messages: u64) {
        self.board = Board::default();
        self.say(&styled(CARE, format!("  … {messages} messages were too fast to show")));
    }

    /// Writes a line for good.
    pub(crate) fn say(&mut self, line: &str) {
        let text = format!("{}{line}\n", self.erased());
        write(&text);
    }

    /// Draws the steps under way.
    pub(crate) fn draw(&mut self, now: Instant) {
        let Mode::Drawn { frame, .. } = self.mode else { return };
        let Some((columns, rows)) = ui::size(Stream::Err) else { return };
        let erased = self.erased();
        let lines = self.board.lines(now, frame, rows.saturating_sub(KEPT).max(1));
        let drawn: String = lines.iter().map(|line| format!("{}\n", cut(line, columns.saturating_sub(1)))).collect();
        write(&format!("{erased}{drawn}"));
        self.mode = Mode::Drawn { lines: lines.len(), frame: frame + 1 };
    }

    /// Takes away what is drawn.
    pub(crate) fn clear(&mut self) {
        let erased = self.erased();
        write(&erased);
    }

    /// What takes away the drawn lines: up to the first of them, then everything below.
    fn erased(&mut self) -> String {
        match &mut self.mode {
            Mode::Drawn { lines, .. } if *lines > 0 => {
                let up = std::mem::take(lines);
                format!("\u{1b}[{up}A\r\u{1b}[J")
            }
            Mode::Plain | Mode::Drawn { .. } => String::new(),
        }
    }
}

/// Writes to standard error past the filter of styles, which would take cursor movements for styles.
fn write(text: &str) {
    let text = match ui::drawing(Stream::Err).color {
        flow_compiler::render::Color::Always => text.to_owned(),
        flow_compiler::render::Color::Never => without_styles(text),
    };
    let mut stream = io::stderr().lock();
    // Nobody can be told when that fails.
    let _: io::Result<()> = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Takes styles out (`ESC [ … m`) and leaves movements of the cursor in.
fn without_styles(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        kept.push_str(before);
        let end = after.find(|letter: char| letter.is_ascii_alphabetic()).map_or(after.len(), |end| end + 1);
        let (sequence, behind) = after.split_at(end);
        if !sequence.ends_with('m') {
            kept.push_str("\u{1b}[");
            kept.push_str(sequence);
        }
        rest = behind;
    }
    kept.push_str(rest);
    kept
}

/// A failure in one line, without what is personal by now.
pub(crate) fn in_words(failure: &Failure) -> String {
    plain(&failure.in_words())
}

/// A step of a run's history, drawn as it is drawn while it happens.
pub(crate) fn history_line(step: &StepHistory, now: Instant) -> String {
    let why = || step.failure.as_ref().map(in_words).unwrap_or_default();
    let end = match step.state {
        StepState::Completed => End::Completed,
        StepState::Failed => End::Failed(why()),
        StepState::NeedsDecision => End::Undecided(why()),
        StepState::Cancelled => End::Dropped,
        StepState::Running | StepState::Waiting => return from_history(step).line(now, 0),
    };
    from_history(step).ended(&end, attempts(step), step.ended_at.unwrap_or(now))
}

fn from_history(step: &StepHistory) -> Step {
    let (attempt, stage) = match step.until {
        Some(until) => (attempts(step), Stage::Waiting(until, step.failure.as_ref().map(in_words))),
        None => (attempts(step) + 1, Stage::Calling),
    };
    let (place, call, waits) = (step.place.clone(), step.call.clone(), step.waits.clone());
    Step { place, call, waits, started_at: step.started_at, attempt, stage }
}

fn attempts(step: &StepHistory) -> u32 {
    u32::try_from(step.attempts.len()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use flow_model::failure::ErrorKind;
    use flow_runtime::engine::RunId;

    use super::*;

    fn place(path: &str) -> Place {
        Place { path: path.to_owned(), indexes: Vec::new() }
    }

    fn progress(at: i64, what: Happening) -> Progress {
        let run = RunId::new(Instant(0), 0);
        let trace = flow_runtime::observe::Trace::of(&run, None);
        Progress { run, flow: "f".to_owned(), trace, at: Instant(at), what }
    }

    fn seen(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn tell(board: &mut Board, at: i64, what: Happening) -> Option<Line> {
        board.apply(&progress(at, what))
    }

    #[test]
    fn a_step_is_followed_through_a_retry_to_its_end() {
        let mut board = Board::default();
        let note = place("note");
        let (connection, operation) = ("desk".to_owned(), "write".to_owned());
        assert_eq!(tell(&mut board, 0, Happening::StepStarted { place: note.clone(), connection, operation }), None);
        assert!(seen(&board.lines(Instant(5), 0, 9).join("")).ends_with("waits for its turn"));
        tell(&mut board, 10, Happening::AttemptStarted { place: note.clone(), attempt: 1 });
        assert_eq!(
            seen(&board.lines(Instant(1500), 0, 9).join("")),
            "  ⠋ note                desk.write              1.5s"
        );
        let failure = Failure::new(ErrorKind::Unavailable, "connection\nrefused");
        tell(&mut board, 1600, Happening::AttemptFailed { place: note.clone(), attempt: 1, failure });
        let waits = Record::Waits { place: note.clone(), until: Instant(3600) };
        let Some(Line::Retry(line)) = tell(&mut board, 1600, Happening::Concluded(waits)) else { panic!() };
        assert!(seen(&line).ends_with("attempt 2 in 2.0s after Unavailable: connection refused"), "{line}");
        assert!(seen(&board.lines(Instant(2600), 0, 9).join("")).contains("attempt 2 in 1.0s"));
        tell(&mut board, 3600, Happening::AttemptStarted { place: note.clone(), attempt: 2 });
        let Some(Line::Over(line)) = tell(&mut board, 4000, Happening::StepCompleted { place: note, attempts: 2 })
        else {
            panic!()
        };
        assert_eq!(seen(&line), "  ✓ note                desk.write              4.0s, 2 attempts");
        assert!(board.lines(Instant(4000), 0, 9).is_empty());
    }

    #[test]
    fn more_steps_than_lines_are_counted() {
        let mut board = Board::default();
        for index in 0..20 {
            let place = Place { path: "note".to_owned(), indexes: vec![index] };
            tell(&mut board, 0, Happening::AttemptStarted { place, attempt: 1 });
        }
        let lines = board.lines(Instant(0), 0, 5);
        assert_eq!((lines.len(), seen(&lines[4]).as_str()), (5, "  … and 16 more steps"));
    }

    #[test]
    fn without_colour_the_cursor_still_moves() {
        assert_eq!(without_styles("\u{1b}[2A\r\u{1b}[J\u{1b}[1mx\u{1b}[0m"), "\u{1b}[2A\r\u{1b}[Jx");
    }
}
