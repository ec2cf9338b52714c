//! How is a node laid out, on one line or, when it does not fit, on several?

use flow_grammar::{Kind, Node};

use super::{
    Formatter, STEP, WIDTH,
    out::Token,
    parts::{Part, Separator, list},
};

/// A node on one line.
struct Flat {
    text: String,
    touches_left: bool,
    touches_right: bool,
}

/// Where the values of entries of a list are aligned.
struct Aligned {
    /// Where the padding goes.
    at: usize,
    /// Characters before the padding.
    head: usize,
}

impl<'a> Formatter<'a> {
    /// Lays out a node at the end of what is written.
    pub(crate) fn node(&mut self, node: Node<'_>, indent: usize) {
        if let Some(atom) = self.atom(node) {
            self.out.token(atom);
            return;
        }
        let room = WIDTH.saturating_sub(self.out.column() + usize::from(!self.out.is_fresh()));
        if let Some(flat) = self.flat(node, room) {
            let Flat { text, touches_left, touches_right } = flat;
            self.out.token(Token { text: &text, touches_left, touches_right });
            return;
        }
        match node.kind() {
            Kind::Expr => self.operation(&self.parts(node), indent),
            Kind::OneOf | Kind::Pattern => {
                self.lines_at(node, indent, |part| matches!(part, Part::Token(token) if token.text == "|"))
            }
            Kind::Operand => self.chain(node, indent),
            Kind::LetStatement | Kind::StepStatement => self.statement(node, indent),
            kind if list(kind).is_some() => self.list(node, indent),
            _ => self.sequence(&self.parts(node), indent),
        }
    }

    /// The node on one line of at most so many characters, unless something in it needs a line of its own.
    fn flat(&self, node: Node<'_>, room: usize) -> Option<Flat> {
        let mut flat = Flat { text: String::new(), touches_left: false, touches_right: true };
        let mut tokens = 0;
        self.flatten(node, room, &mut flat, &mut tokens)?;
        Some(flat)
    }

    fn flatten(&self, node: Node<'_>, room: usize, flat: &mut Flat, tokens: &mut usize) -> Option<()> {
        if let Some(atom) = self.atom(node) {
            return put(flat, tokens, atom, room);
        }
        let separator = list(node.kind()).map(|(.., separator)| separator);
        if separator.is_some() && self.wants_lines(node) {
            return None;
        }
        let parts = self.parts(node);
        let mut within = false;
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Comment(_) => return None,
                Part::Token(token) => {
                    if separator.is_some() && token.text == "," {
                        continue;
                    }
                    within |= list(node.kind()).is_some_and(|(open, ..)| open == token.text);
                    put(flat, tokens, *token, room)?;
                }
                Part::Node(child) => {
                    if separator.is_some_and(|separator| separator != Separator::Comma) && self.is_damaged(*child) {
                        let text = child.text(self.source).trim_end();
                        put(flat, tokens, Token { text, touches_left: false, touches_right: false }, room)?;
                    } else {
                        self.flatten(*child, room, flat, tokens)?;
                    }
                    let is_last = !parts.iter().skip(index + 1).any(|part| matches!(part, Part::Node(_)));
                    if separator.is_some() && within && !is_last {
                        put(flat, tokens, Token { text: ",", touches_left: true, touches_right: false }, room)?;
                    }
                }
            }
        }
        Some(())
    }

    /// Says whether a list is written on several lines whatever its length.
    fn wants_lines(&self, node: Node<'_>) -> bool {
        let Some((open, _, separator)) = list(node.kind()) else { return false };
        let has_statements = separator == Separator::Line && node.children().any(|child| child.kind() != Kind::Value);
        let is_body = matches!(node.kind(), Kind::FlowBody | Kind::TestBody | Kind::ConnectorItem);
        let mut after_open = None;
        let mut is_empty = true;
        for part in self.parts(node) {
            match part {
                Part::Token(token) if token.text == open && after_open.is_none() => {
                    let at = token.text.as_ptr() as usize - self.source.as_ptr() as usize + open.len();
                    after_open = Some(at as u32);
                }
                Part::Node(child) | Part::Comment(child) if after_open.is_some() => {
                    is_empty = false;
                    let begins_a_line = after_open.is_some_and(|at| at != 0 && !self.is_same_line(at, child.start()));
                    if begins_a_line && after_open != Some(0) {
                        return true;
                    }
                    after_open = Some(0);
                }
                _ => {}
            }
        }
        !is_empty && (has_statements || is_body)
    }

    /// Lays out parts one after the other, each as it fits.
    fn sequence(&mut self, parts: &[Part<'a, '_>], indent: usize) {
        for part in parts {
            match part {
                Part::Token(token) => self.out.token(*token),
                Part::Node(child) => self.node(*child, indent),
                Part::Comment(comment) => self.comment(*comment, indent),
            }
        }
    }

    /// A comment amid something else: the rest goes on a new line.
    fn comment(&mut self, comment: Node<'_>, indent: usize) {
        self.out.verbatim(comment.text(self.source).trim_end());
        self.out.newline(indent + STEP);
    }

    /// What joins the parts of a long row, such as operators, begins new lines.
    fn lines_at(&mut self, node: Node<'_>, indent: usize, begins_line: impl Fn(&Part<'_, '_>) -> bool) {
        let parts = self.parts(node);
        if !parts.iter().any(&begins_line) {
            return self.sequence(&parts, indent);
        }
        for part in &parts {
            if begins_line(part) {
                self.out.newline(indent + STEP);
            }
            match part {
                Part::Node(child) => self.node(*child, indent + STEP),
                Part::Token(token) => self.out.token(*token),
                Part::Comment(comment) => self.comment(*comment, indent),
            }
        }
    }

    /// `a and b or c`: those operators begin new lines that bind least; what stands between two of them is broken only
    /// where it does not fit.
    fn operation(&mut self, parts: &[Part<'a, '_>], indent: usize) {
        let strength = |part: &Part<'a, '_>| match part {
            Part::Node(node) if node.kind() == Kind::Operator => Some(strength(node.text(self.source))),
            _ => None,
        };
        let Some(least) = parts.iter().filter_map(strength).min() else {
            return self.sequence(parts, indent);
        };
        let is_border = |index: &usize| parts.get(*index).and_then(strength) == Some(least);
        let mut borders: Vec<usize> = (0..parts.len()).filter(is_border).collect();
        borders.push(parts.len());
        let mut at = 0;
        for border in borders {
            let operand = parts.get(at..border).unwrap_or_default();
            let room = WIDTH.saturating_sub(self.out.column() + 1);
            if self.fits(operand, room) {
                self.sequence(operand, indent + STEP);
            } else {
                self.operation(operand, indent + STEP);
            }
            if let Some(Part::Node(operator)) = parts.get(border) {
                self.out.newline(indent + STEP);
                self.node(*operator, indent + STEP);
            }
            at = border + 1;
        }
    }

    /// Says whether parts fit on the rest of a line of so many characters.
    fn fits(&self, parts: &[Part<'a, '_>], room: usize) -> bool {
        let mut flat = Flat { text: String::new(), touches_left: false, touches_right: true };
        let mut tokens = 0;
        parts.iter().all(|part| match part {
            Part::Comment(_) => false,
            Part::Token(token) => put(&mut flat, &mut tokens, *token, room).is_some(),
            Part::Node(node) => self.flatten(*node, room, &mut flat, &mut tokens).is_some(),
        })
    }

    /// `a.b(…).c(…)`: with several calls, each goes on a line of its own; otherwise what is in brackets is broken.
    fn chain(&mut self, node: Node<'_>, indent: usize) {
        let parts = self.parts(node);
        let children: Vec<_> = parts
            .iter()
            .filter_map(|part| if let Part::Node(child) = part { Some(child.kind()) } else { None })
            .collect();
        let method_calls = children
            .windows(2)
            .skip(1)
            .filter(|pair| matches!(pair, [Kind::Member | Kind::SafeMember, Kind::Call]))
            .count();
        let last_is_broken = children.iter().filter(|kind| **kind == Kind::Call).count() < 2 || method_calls < 2;
        if last_is_broken {
            return self.sequence(&parts, indent);
        }
        for (index, part) in parts.iter().enumerate() {
            let is_method = match (part, parts.get(index + 1)) {
                (Part::Node(member), Some(Part::Node(call))) => {
                    matches!(member.kind(), Kind::Member | Kind::SafeMember) && call.kind() == Kind::Call
                }
                _ => false,
            };
            if is_method {
                self.out.newline(indent + STEP);
            }
            match part {
                Part::Token(token) => self.out.token(*token),
                Part::Node(child) => self.node(*child, indent + STEP),
                Part::Comment(comment) => self.comment(*comment, indent),
            }
        }
    }

    /// The clauses of a statement that is too long for a line go on lines of their own, unless the call before them is
    /// broken already.
    fn statement(&mut self, node: Node<'_>, indent: usize) {
        for part in self.parts(node) {
            match part {
                Part::Node(clause)
                    if matches!(clause.kind(), Kind::PolicyUse | Kind::Otherwise | Kind::Undo | Kind::Optional) =>
                {
                    let begin = self.out.position();
                    let room = WIDTH.saturating_sub(self.out.column() + 1);
                    let is_behind_brackets = self
                        .out
                        .since(0)
                        .rsplit('\n')
                        .next()
                        .is_some_and(|line| line.trim_start().starts_with([')', '}']));
                    if is_behind_brackets && self.flat(clause, room).is_some() || begin == 0 {
                        self.node(clause, indent);
                    } else {
                        self.out.newline(indent + STEP);
                        self.node(clause, indent + STEP);
                    }
                }
                Part::Node(child) => self.node(child, indent),
                Part::Token(token) => self.out.token(token),
                Part::Comment(comment) => self.comment(comment, indent),
            }
        }
    }

    /// A list with an entry on each line.
    fn list(&mut self, node: Node<'_>, indent: usize) {
        let Some((open, close, separator)) = list(node.kind()) else { return };
        let parts = self.parts(node);
        let last_close = parts.iter().rposition(|part| matches!(part, Part::Token(token) if token.text == close));
        let mut is_open = false;
        // End of what stands before, in the source; none right after the bracket.
        let mut previous: Option<(u32, Kind)> = None;
        let mut run: Vec<Aligned> = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Token(token) if !is_open => {
                    is_open = token.text == open;
                    self.out.token(*token);
                }
                Part::Token(token) if Some(index) == last_close => {
                    self.align(&mut run);
                    if previous.is_some() {
                        self.out.newline(indent);
                    }
                    self.out.token(*token);
                }
                // Commas are written anew.
                Part::Token(token) if token.text == "," => {}
                // What belongs to no entry stays where it is.
                Part::Token(token) => {
                    let at = token.text.as_ptr() as usize - self.source.as_ptr() as usize;
                    let touches_left = !self.source.get(..at).unwrap_or_default().ends_with(char::is_whitespace);
                    self.out.token(Token { touches_left, ..*token });
                }
                Part::Node(child) if !is_open => self.node(*child, indent),
                Part::Comment(child) if !is_open => self.comment(*child, indent),
                Part::Comment(child) if self.is_behind(previous, node, *child) => {
                    self.out.trailing_comment(child.text(self.source));
                    previous = Some((child.end(), Kind::Comment));
                }
                // Short entries that the author put on one line stay there.
                Part::Node(child) if self.shares_line(node.kind(), previous, *child) => {
                    self.out.token(Token { text: ",", touches_left: true, touches_right: false });
                    self.entry(*child, indent + STEP);
                    previous = Some((self.end(*child), child.kind()));
                }
                Part::Node(child) | Part::Comment(child) => {
                    self.out.newline(indent + STEP);
                    if let Some((end, _)) = previous
                        && self.has_blank_line(end, child.start())
                    {
                        self.align(&mut run);
                        self.out.blank_line();
                    }
                    let begin = self.out.position();
                    self.entry(*child, indent + STEP);
                    match self.aligned(*child, begin) {
                        Some(aligned) => run.push(aligned),
                        None if child.kind() == Kind::Comment => {}
                        None => self.align(&mut run),
                    }
                    if separator == Separator::Comma && child.kind() != Kind::Comment {
                        self.out.token(Token { text: ",", touches_left: true, touches_right: false });
                    }
                    previous = Some((self.end(*child), child.kind()));
                }
            }
        }
    }

    fn shares_line(&self, list: Kind, previous: Option<(u32, Kind)>, entry: Node<'_>) -> bool {
        let Some((end, Kind::ErrorRule | Kind::Name)) = previous else { return false };
        let room = WIDTH.saturating_sub(self.out.column() + 2);
        matches!(list, Kind::ErrorsSection | Kind::EnumItem)
            && entry.kind() != Kind::Property
            && self.is_same_line(end, entry.start())
            && self.flat(entry, room).is_some()
    }

    /// Says whether a comment stands on the line of the entry before it, or of the bracket.
    fn is_behind(&self, previous: Option<(u32, Kind)>, list: Node<'_>, comment: Node<'_>) -> bool {
        match previous {
            Some((end, _)) => self.is_same_line(end, comment.start()),
            None => {
                let before = self.between(list.start(), comment.start());
                before.trim_end_matches([' ', '\t']).ends_with(['{', '(', '['])
            }
        }
    }

    /// Where the value of an entry can be aligned with those of its neighbours, if it is of a kind that is.
    fn aligned(&self, entry: Node<'_>, begin: usize) -> Option<Aligned> {
        let written = self.out.since(begin).split('\n').next()?;
        if self.is_damaged(entry) {
            return None;
        }
        let head = match entry.kind() {
            Kind::Field | Kind::Property => {
                let name = entry.children().next()?.text(self.source).len() + 1;
                written.get(..name).filter(|head| head.ends_with(':'))?;
                name
            }
            Kind::MatchArm | Kind::UnionCase => written.find(" => ")?,
            _ => return None,
        };
        let head_text = written.get(..head)?;
        (!head_text.contains('"') || head_text.matches('"').count() % 2 == 0)
            .then(|| Aligned { at: begin + head, head: head_text.chars().count() })
    }

    /// Aligns the values of entries that follow each other.
    fn align(&mut self, run: &mut Vec<Aligned>) {
        let widest = run.iter().map(|entry| entry.head).max().unwrap_or(0);
        let fits = run.iter().all(|entry| {
            let line = self.out.since(entry.at).split('\n').next().unwrap_or_default();
            line.chars().count() + widest + STEP < WIDTH
        });
        for entry in run.drain(..).rev() {
            if fits {
                self.out.pad(entry.at, widest - entry.head);
            }
        }
    }
}

/// How strongly an operator binds: the order of section 4 of the reference.
fn strength(operator: &str) -> u8 {
    match operator {
        "??" => 0,
        "or" => 1,
        "and" => 2,
        "+" | "-" => 4,
        "*" | "/" | "%" => 5,
        _ => 3,
    }
}

fn put(flat: &mut Flat, tokens: &mut usize, token: Token<'_>, room: usize) -> Option<()> {
    if token.text.contains('\n') {
        return None;
    }
    let empty_braces = flat.text.ends_with('{') && token.text == "}";
    if *tokens == 0 {
        flat.touches_left = token.touches_left;
    } else if !flat.touches_right && !token.touches_left && !empty_braces {
        flat.text.push(' ');
    }
    *tokens += 1;
    flat.text.push_str(token.text);
    flat.touches_right = token.touches_right;
    (flat.text.len() <= room || flat.text.chars().count() <= room).then_some(())
}
