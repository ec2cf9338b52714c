//! Recovery: a text that does not parse is repaired until it does.
//!
//! The parser says how far it came. At that place the smallest change is looked for with which it comes further: what
//! people mean when they make that mistake; something put in that must stand there; and at last a hole in place of the
//! smallest part that can be given up: a value, a statement, the item. Everything around it stays in the tree. (The
//! method is that of Burke and Fisher, ACM TOPLAS 9(2), 1987, with the furthest failure of the PEG as its measure.)
//!
//! A file is read in pieces, one for each item, so that the work for a mistake depends on the size of its item.

mod candidates;
mod holes;
pub(crate) mod words;

use crate::{
    attempt::{self, Failure, attempt},
    balance::Groups,
    patch,
    problem::{Edit, Problem, ProblemKind},
    scan::{HOLE, Scan},
    spoken,
    token::RESERVED,
    tree::Entry,
    units::Units,
};

/// Bytes that may be parsed again for repairs: what is beyond is given up item by item. It bounds the time that a file
/// of garbage takes.
const WORK: usize = 24 * 1024 * 1024;

/// What an edit counts as, in bytes.
const COST_OF_EDIT: usize = 64;

/// Repairs of a piece, one after the other, that may leave the parser no further than it has been: one that opens a
/// bracket may let it stop before the place where it stood. More of them go round in circles.
const BACK: usize = 4;

/// Bytes from which on a text is read in pieces from the start.
const LONG: usize = 256 * 1024;

/// How many problems before a place may explain it.
const NEAR: usize = 20;

/// What could be read and what could not.
pub(crate) struct Reading {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    /// Places of superfluous brackets that turned out to be in order.
    pub retracted: Vec<u32>,
    /// Places of problems that are more than what their fix mends.
    pub doubted: Vec<u32>,
}

/// A change that may mend the place where the parser stopped.
struct Candidate {
    edits: Vec<Edit>,
    /// The token that the parser must get beyond for the change to count as right.
    beyond: usize,
    kind: ProblemKind,
    start: u32,
    end: u32,
    /// Whether the change is one that a person would make.
    is_fix: bool,
    /// The group and the end of the unit in which the parser may not stop again.
    unit: Option<(usize, usize)>,
    /// Where something is missing, if what is expected there is to be found out.
    missing_at: Option<u32>,
    /// A closing bracket that was left out and the token before which its opening one is put in.
    opens: Option<(usize, usize)>,
}

struct Repairer<'a> {
    units: Units<'a>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    /// What was reported before the text was parsed, in order.
    known: &'a [Problem],
    /// Places of superfluous brackets that turned out to be in order.
    retracted: Vec<u32>,
    /// Places of problems that explain more than what their fix mends.
    doubted: Vec<u32>,
    work: usize,
}

/// A part of the file that is read for itself.
#[derive(Clone, Copy)]
struct Piece {
    /// Its tokens.
    from: usize,
    to: usize,
    /// Its bytes.
    start: u32,
    end: u32,
}

/// How far the parser comes with a change.
enum Outcome {
    Done(Vec<Entry>),
    Stops(usize, Failure),
}

/// Reads a text whose single characters and brackets are in order.
pub(crate) fn read(source: &str, scan: &Scan, groups: Groups) -> Reading {
    let end = source.len() as u32;
    let units = Units { source, tokens: &scan.tokens, groups };
    let pieces = pieces(&units, end);
    // What a parse finds is kept in memory until its end, so a long text is read in pieces from the start.
    let whole = [Piece { from: 0, to: scan.tokens.len(), start: 0, end }];
    let first = if source.len() > LONG { pieces.as_slice() } else { &whole };
    if let Some(entries) = without_repairs(source, first, &scan.edits) {
        return Reading { entries, problems: Vec::new(), retracted: Vec::new(), doubted: Vec::new() };
    }
    let mut repairer = Repairer {
        units,
        entries: Vec::new(),
        problems: Vec::new(),
        known: &scan.problems,
        retracted: Vec::new(),
        doubted: Vec::new(),
        work: WORK.max(source.len()),
    };
    for piece in pieces {
        repairer.piece(piece, &scan.edits);
    }
    Reading {
        entries: repairer.entries,
        problems: repairer.problems,
        retracted: repairer.retracted,
        doubted: repairer.doubted,
    }
}

/// The parts of a file that can be read for themselves: its items, as far as tokens tell.
fn pieces(units: &Units<'_>, end: u32) -> Vec<Piece> {
    let count = units.tokens.len();
    let mut starts: Vec<usize> = units.direct(0, 0, count).filter(|index| units.begins(*index, 0)).collect();
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    starts.push(count);
    let place = |index: usize| match units.token(index) {
        Some(token) if index > 0 => token.start,
        Some(_) => 0,
        None => end,
    };
    let windows = starts.windows(2).filter_map(|window| match *window {
        [from, to] => Some(Piece { from, to, start: place(from), end: place(to) }),
        _ => None,
    });
    windows.collect()
}

/// The nodes of all pieces, if each can be read as it is.
fn without_repairs(source: &str, pieces: &[Piece], edits: &[Edit]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for piece in pieces {
        entries.append(&mut attempt::entries(source, piece.start, piece.end, piece.edits(edits))?);
    }
    Some(entries)
}

impl Piece {
    /// The edits in a piece, of those of the file. What is put in at the border of two pieces closes something of the
    /// first.
    fn edits(self, all: &[Edit]) -> &[Edit] {
        let is_before = |edit: &Edit| {
            edit.start < self.start || (self.start > 0 && edit.end == self.start && edit.start == self.start)
        };
        let is_in = |edit: &Edit| edit.start < self.end || (edit.start == self.end && edit.end == self.end);
        let (from, to) = (all.partition_point(is_before), all.partition_point(is_in));
        all.get(from..to.max(from)).unwrap_or_default()
    }
}

impl Repairer<'_> {
    fn piece(&mut self, piece: Piece, all: &[Edit]) {
        let mut edits = piece.edits(all).to_vec();
        let mut outcome = self.parse(piece, &edits);
        let (mut furthest, mut back) = (None, 0);
        loop {
            match outcome {
                Outcome::Done(mut entries) => {
                    self.entries.append(&mut entries);
                    return;
                }
                Outcome::Stops(at, failure) => {
                    back = if furthest < Some(at) { 0 } else { back + 1 };
                    furthest = furthest.max(Some(at));
                    (outcome, edits) = match back {
                        ..=BACK => self.mend(piece, edits, at, &failure),
                        _ => self.give_up(piece, at, &failure),
                    };
                }
            }
        }
    }

    fn parse(&mut self, piece: Piece, edits: &[Edit]) -> Outcome {
        // What the changes put in is parsed too, and each attempt copies them.
        self.work = self.work.saturating_sub((piece.end - piece.start) as usize + 100 + COST_OF_EDIT * edits.len());
        match attempt(self.units.source, piece.start, piece.end, edits) {
            Ok(entries) => Outcome::Done(entries),
            Err(failure) => {
                let tokens = self.units.tokens;
                let at = tokens.partition_point(|token| token.end <= failure.at).clamp(piece.from, piece.to);
                Outcome::Stops(at, failure)
            }
        }
    }

    /// Mends the place at token `at`, so that the parser comes further, and reports it.
    fn mend(&mut self, piece: Piece, edits: Vec<Edit>, at: usize, failure: &Failure) -> (Outcome, Vec<Edit>) {
        let mut best: Option<(usize, Outcome, Vec<Edit>, Candidate)> = None;
        if self.work > 0 && !failure.is_limit {
            let mut candidates = candidates::at(&self.units, piece.from, piece.to, at, failure);
            let holes = holes::at(&self.units, piece.from, piece.to, at, failure);
            let firm = candidates.len();
            candidates.extend(holes);
            for (index, candidate) in candidates.into_iter().enumerate() {
                if self.work == 0 {
                    break;
                }
                let mut tried = edits.clone();
                if !candidate.edits.iter().all(|edit| patch::insert(&mut tried, edit.clone())) {
                    continue;
                }
                let outcome = self.parse(piece, &tried);
                let reached = match &outcome {
                    Outcome::Done(_) => usize::MAX,
                    Outcome::Stops(at, _) => *at,
                };
                if reached > candidate.beyond && self.is_settled(&candidate, at, reached) {
                    return self.accept(piece, candidate, at, failure, outcome, tried);
                }
                // A hole that lets the parser at least reach what follows is kept for when none does better.
                if index >= firm && reached > at && best.as_ref().is_none_or(|(before, ..)| reached > *before) {
                    best = Some((reached, outcome, tried, candidate));
                }
            }
        }
        if let Some((_, outcome, tried, candidate)) = best {
            return self.accept(piece, candidate, at, failure, outcome, tried);
        }
        self.give_up(piece, at, failure)
    }

    /// Says whether the parser, when it stops again at `reached`, has left the unit with the mistake at `at` behind or
    /// stands deeper in it, so that it stops for another reason.
    fn is_settled(&self, candidate: &Candidate, at: usize, reached: usize) -> bool {
        let Some((group, end)) = candidate.unit else { return true };
        if reached >= end {
            return true;
        }
        let ended = self.units.ending_at(reached);
        let inside = ended.unwrap_or_else(|| self.units.group_of(reached));
        let from = self.units.groups.groups.get(inside).map_or(0, |group| group.from);
        inside != group && from > at
    }

    fn accept(
        &mut self,
        piece: Piece,
        candidate: Candidate,
        at: usize,
        failure: &Failure,
        outcome: Outcome,
        edits: Vec<Edit>,
    ) -> (Outcome, Vec<Edit>) {
        if let Some((dropped, open)) = candidate.opens {
            self.work = self.work.saturating_sub(self.units.tokens.len());
            self.retracted.extend(self.units.token(dropped).map(|token| token.start));
            let groups = &self.units.groups;
            self.units.groups = groups.with_opened(self.units.source, self.units.tokens, dropped, open);
        }
        let fix = if candidate.is_fix { candidate.edits } else { Vec::new() };
        // What is expected at an earlier place comes out of parsing up to there.
        let earlier = candidate.missing_at.and_then(|end| {
            let before: Vec<Edit> = edits.iter().filter(|edit| edit.start < end).cloned().collect();
            attempt(self.units.source, piece.start, end, &before).err()
        });
        let failure = earlier.as_ref().unwrap_or(failure);
        self.report(candidate.start, candidate.end, candidate.kind, at, failure, fix);
        (outcome, edits)
    }

    fn report(&mut self, start: u32, end: u32, kind: ProblemKind, at: usize, failure: &Failure, fix: Vec<Edit>) {
        let token = self.units.token(at);
        // A character that was reported already explains the trouble at its place.
        // A keyword that was used as a name was reported where it should have got its value.
        let before = at.checked_sub(1).map_or("", |before| self.units.text(before));
        let is_name =
            |problem: &Problem| problem.found == before && problem.expected.iter().any(|what| what == "a name");
        if RESERVED.contains(&before)
            && kind == ProblemKind::Unexpected
            && self.problems.iter().rev().take(NEAR).any(is_name)
        {
            return;
        }
        let (first, last) = self.place(at);
        if let Some(known) = self.explanation(first, last) {
            self.doubted.push(known);
            return;
        }
        let found = match (&kind, token) {
            (ProblemKind::UnknownWord(_), _) => self.units.source.get(start as usize..end as usize).unwrap_or_default(),
            (_, Some(token)) => token.text(self.units.source),
            _ => "",
        };
        let found = found.to_owned();
        self.problems.push(Problem { start, end, expected: spoken::expected(&failure.expected), found, kind, fix });
    }

    /// The place of what was reported before, if it explains that the parser stopped at a token: it is a character that
    /// was reported, or on its line a bracket or a quote is out of order.
    fn explanation(&self, start: u32, end: u32) -> Option<u32> {
        let near = self.known.partition_point(|known| known.end < start).saturating_sub(NEAR);
        let mut known = self.known.iter().skip(near).take_while(|known| known.start <= end.saturating_add(1000));
        let explains = known.find(|known| {
            let is_bracket = matches!(
                known.kind,
                ProblemKind::TooDeep(_)
                    | ProblemKind::UnclosedText
                    | ProblemKind::Stray
                    | ProblemKind::Unclosed(_)
                    | ProblemKind::WrongBracket(_)
            );
            let between = match known.start < start {
                true => self.units.source.get(known.start as usize..start as usize),
                false => self.units.source.get(start as usize..known.start as usize),
            };
            let is_on_line = is_bracket
                && !self.retracted.contains(&known.start)
                && between.is_some_and(|between| !between.contains('\n'));
            (known.start < end && start < known.end) || is_on_line
        });
        explains.map(|known| known.start)
    }

    /// Leaves the whole piece out.
    fn give_up(&mut self, piece: Piece, at: usize, failure: &Failure) -> (Outcome, Vec<Edit>) {
        let (start, end) = self.place(at);
        let kind = if failure.is_limit { ProblemKind::TooComplex } else { ProblemKind::Unexpected };
        let (start, end) = if failure.is_limit { self.place(piece.from) } else { (start, end) };
        self.report(start, end, kind, at, failure, Vec::new());
        let from = self.units.token(piece.from).map_or(piece.start, |token| token.start);
        let last = piece.to.checked_sub(1).and_then(|last| self.units.token(last));
        let to = last.map_or(piece.end, |token| token.end).max(from);
        let edits = vec![Edit { start: from, end: to, text: HOLE.into() }];
        match self.parse(piece, &edits) {
            Outcome::Done(entries) => (Outcome::Done(entries), edits),
            // Comments and holes always parse; if they don't, there is nothing to keep.
            Outcome::Stops(..) => (Outcome::Done(Vec::new()), edits),
        }
    }

    /// The range of a token, or the end of the text.
    fn place(&self, at: usize) -> (u32, u32) {
        match self.units.token(at) {
            Some(token) => (token.start, token.end),
            None => {
                let end = self.units.tokens.last().map_or(0, |token| token.end);
                (end, end)
            }
        }
    }
}
