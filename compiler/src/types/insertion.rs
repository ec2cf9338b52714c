//! Where in a text of another language may an insertion stand?
//!
//! In: the fixed parts of a text, one after the other. Out: why the insertion between two of them would not be safe, or
//! would not mean what it says. In SQL, SOQL and Drive queries an insertion is a whole value that brings its own quotes:
//! within quotes it would end them. In HTML it is text or a quoted attribute; a tag, an attribute without quotes, a script
//! and an event handler read what no escaping of HTML makes harmless (OWASP Cross Site Scripting Prevention, "Dangerous
//! Contexts"). And whether it may be null there: SQL has a null that is bound as values are, but nothing equals it.

use flow_model::ty::Language;

/// What is wrong with an insertion where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the quotes of a query.
    Quotes,
    /// In the value of an attribute that has no quotes.
    BareAttribute,
    /// Where a tag or an attribute has its name.
    Tag,
    /// In a script or a style, or in an attribute that is one.
    Script,
    /// Where a query has the name of a table or a column.
    Name,
}

/// What null is where it would be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Null {
    /// A value of SQL.
    Bound,
    /// What nothing is equal to.
    Compared,
    /// No number of rows.
    Count,
    /// Nothing that a text can hold.
    Text,
}

/// Reads the fixed parts of a text.
pub(super) struct Reading {
    language: Language,
    state: State,
    /// The tag that is read.
    tag: String,
    /// The attribute that is read.
    attribute: String,
    /// The word of a query that is read, and the two before it where nothing but space stands between.
    word: String,
    before: [String; 2],
    /// The query, and each group in brackets that is open.
    groups: Vec<Group>,
    /// The signs of an operator that is read, such as `<=`.
    operator: String,
}

/// A query, or a part of it in brackets.
#[derive(Clone, Debug, Default)]
struct Group {
    first: Option<String>,
    /// Whether what is read is a condition: `where …`, `on …`, `having …`, `when …`.
    is_condition: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// In a text of a query that began with this sign.
    Quoted(char),
    /// In a comment of SQL: to the end of the line, or to `*/`.
    LineComment,
    BlockComment,
    TagName,
    /// In a tag after its name.
    Attributes,
    /// After the `=` of an attribute.
    ValueStart,
    BareValue,
    /// In the value of an attribute that began with this sign.
    Value(char),
    /// In `<script>` or `<style>`.
    Raw,
    HtmlComment,
}

impl Reading {
    pub(super) fn of(language: Language) -> Self {
        Self {
            language,
            state: State::Text,
            tag: String::new(),
            attribute: String::new(),
            word: String::new(),
            before: [String::new(), String::new()],
            groups: vec![Group::default()],
            operator: String::new(),
        }
    }

    /// Reads on.
    pub(super) fn fixed(&mut self, text: &str) {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let length = match self.language {
                Language::Html => self.html(letter, rest),
                Language::Sql | Language::Soql | Language::DriveQuery => self.query(letter, rest),
                Language::Mrkdwn | Language::UrlPath => return,
            };
            rest = rest.get(length.max(letter.len_utf8())..).unwrap_or_default();
        }
    }

    /// Why nothing may be inserted here.
    pub(super) fn insertion(&self) -> Option<Place> {
        match self.state {
            State::Quoted(_) => Some(Place::Quotes),
            State::TagName | State::Attributes => Some(Place::Tag),
            State::ValueStart | State::BareValue => Some(Place::BareAttribute),
            State::Raw => Some(Place::Script),
            State::Text if self.names_something() => Some(Place::Name),
            State::Value(_)
                if self.attribute.starts_with("on") || matches!(self.attribute.as_str(), "style" | "srcdoc") =>
            {
                Some(Place::Script)
            }
            State::Text | State::Value(_) | State::LineComment | State::BlockComment | State::HtmlComment => None,
        }
    }

    /// What null would be here.
    pub(super) fn null(&self) -> Null {
        if self.language != Language::Sql {
            return Null::Text;
        }
        let (_, last) = self.last_words();
        let is_compared = matches!(self.operator.as_str(), "=" | "==" | "<>" | "!=" | "<" | ">" | "<=" | ">=")
            || matches!(last, "like" | "ilike" | "between");
        let is_condition = self.groups.last().is_some_and(|group| group.is_condition);
        match last {
            "limit" | "offset" => Null::Count,
            _ if is_condition && is_compared => Null::Compared,
            _ => Null::Bound,
        }
    }

    /// The two words before this.
    fn last_words(&self) -> (&str, &str) {
        let [second, last] = &self.before;
        match self.word.is_empty() {
            true => (second, last),
            false => (last, &self.word),
        }
    }

    /// Says whether the words before this are followed by a name. `from` within a call is not: `extract(year from {day})`,
    /// nor is that of `is distinct from {day}`.
    fn names_something(&self) -> bool {
        let (second, last) = self.last_words();
        let first = self.groups.last().and_then(|group| group.first.as_deref()).unwrap_or(last);
        match last {
            "from" if second == "distinct" => false,
            "from" | "join" => matches!(first, "select" | "delete" | "update" | "with"),
            "into" | "table" => true,
            "update" => first == "update",
            "by" => matches!(second, "order" | "group"),
            _ => false,
        }
    }

    /// Takes note of the words of a query.
    fn words(&mut self, letter: char) {
        if letter.is_alphanumeric() || matches!(letter, '_' | '.') {
            self.operator.clear();
            self.word.extend(letter.to_lowercase());
            return;
        }
        if !self.word.is_empty() {
            let word = std::mem::take(&mut self.word);
            if let Some(group) = self.groups.last_mut() {
                group.first.get_or_insert_with(|| word.clone());
                match word.as_str() {
                    "where" | "on" | "having" | "when" => group.is_condition = true,
                    "select" | "set" | "update" | "values" | "then" | "else" | "returning" => {
                        group.is_condition = false
                    }
                    _ => {}
                }
            }
            let [_, last] = std::mem::take(&mut self.before);
            self.before = [last, word];
        }
        match letter {
            '(' => {
                let is_condition = self.groups.last().is_some_and(|group| group.is_condition);
                self.groups.push(Group { first: None, is_condition });
            }
            ')' if self.groups.len() > 1 => drop(self.groups.pop()),
            _ => {}
        }
        if !letter.is_whitespace() {
            self.before = Default::default();
            match letter {
                '=' | '<' | '>' | '!' => self.operator.push(letter),
                _ => self.operator.clear(),
            }
        }
    }

    /// Says how many bytes were read.
    fn query(&mut self, letter: char, rest: &str) -> usize {
        let is_sql = self.language == Language::Sql;
        if self.state == State::Text {
            self.words(letter);
        }
        match (self.state, letter) {
            (State::Quoted(_), '\\') if !is_sql => {
                return 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
            }
            // Two quotes in a row leave the text and enter it again.
            (State::Quoted(quote), letter) if letter == quote => self.state = State::Text,
            (State::Text, '\'') => self.state = State::Quoted('\''),
            (State::Text, '"' | '`') if is_sql => self.state = State::Quoted(letter),
            (State::Text, '-') if is_sql && rest.starts_with("--") => self.state = State::LineComment,
            (State::Text, '/') if is_sql && rest.starts_with("/*") => self.state = State::BlockComment,
            (State::LineComment, '\n') => self.state = State::Text,
            (State::BlockComment, '*') if rest.starts_with("*/") => {
                self.state = State::Text;
                return 2;
            }
            _ => {}
        }
        1
    }

    /// Says how many bytes were read.
    fn html(&mut self, letter: char, rest: &str) -> usize {
        match (self.state, letter) {
            (State::Text, '<') if rest.starts_with("<!--") => {
                self.state = State::HtmlComment;
                return 4;
            }
            (State::HtmlComment, '-') if rest.starts_with("-->") => {
                self.state = State::Text;
                return 3;
            }
            (State::Text, '<') => {
                let next = rest.chars().nth(1);
                // `a < b` is text; `<{…}` would be the name of a tag.
                if next.is_none_or(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!')) {
                    self.state = State::TagName;
                    self.tag.clear();
                }
            }
            (State::Raw, '<') => {
                let end = format!("</{}", self.tag);
                if rest.get(..end.len()).is_some_and(|start| start.eq_ignore_ascii_case(&end)) {
                    self.state = State::TagName;
                    self.tag.clear();
                }
            }
            (State::TagName | State::Attributes | State::ValueStart | State::BareValue, '>') => {
                let is_raw = matches!(self.tag.as_str(), "script" | "style");
                self.state = if is_raw { State::Raw } else { State::Text };
            }
            (State::TagName, letter) if letter.is_whitespace() => self.begin_attribute(),
            (State::TagName, letter) => self.tag.push(letter.to_ascii_lowercase()),
            (State::Attributes, '=') => self.state = State::ValueStart,
            (State::Attributes, letter) if letter.is_whitespace() => self.attribute.clear(),
            (State::Attributes, letter) => self.attribute.push(letter.to_ascii_lowercase()),
            (State::ValueStart, quote @ ('"' | '\'')) => self.state = State::Value(quote),
            (State::ValueStart, letter) if !letter.is_whitespace() => self.state = State::BareValue,
            (State::BareValue, letter) if letter.is_whitespace() => self.begin_attribute(),
            (State::Value(quote), letter) if letter == quote => self.begin_attribute(),
            _ => {}
        }
        letter.len_utf8()
    }

    fn begin_attribute(&mut self) {
        self.state = State::Attributes;
        self.attribute.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with `{}` for each insertion.
    fn places(language: Language, text: &str) -> Vec<Option<Place>> {
        let mut reading = Reading::of(language);
        let mut parts = text.split("{}").peekable();
        let mut places = Vec::new();
        while let Some(part) = parts.next() {
            reading.fixed(part);
            if parts.peek().is_some() {
                places.push(reading.insertion());
            }
        }
        places
    }

    #[test]
    fn a_query_takes_values_outside_of_quotes() {
        let quotes = Some(Place::Quotes);
        assert_eq!(places(Language::Sql, "select * from t where a = {} and b = '{}'"), [None, quotes]);
        assert_eq!(places(Language::Sql, "-- it's a note\nselect {} /* don't */ + {}"), [None, None]);
        assert_eq!(places(Language::Sql, "select 'it''s', {} from \"{}\""), [None, quotes]);
        assert_eq!(places(Language::Soql, r"select Id from A where N = 'it\'s' and B = {}"), [None]);
        assert_eq!(places(Language::DriveQuery, "name contains '{}'"), [quotes]);
        assert_eq!(places(Language::Mrkdwn, "it's {}"), [None]);
    }

    #[test]
    fn null_is_bound_where_nothing_is_compared_with_it() {
        let null = |text: &str| {
            let mut reading = Reading::of(Language::Sql);
            let (before, _) = text.rsplit_once("{}").unwrap();
            before.split("{}").for_each(|part| reading.fixed(part));
            reading.null()
        };
        for text in [
            "insert into t (a, b) values (1, {})",
            "update t set a = {}, b = {} where c = 1",
            "update t set a = {}",
            "insert into t values (1) on conflict (id) do update set a = {}",
            "insert into t values (1) on duplicate key update a = {}",
            "select * from t where a is not distinct from {}",
            "select * from t where a <=> {}",
            "select case when a = 1 then {} else {} end",
            "select * from f({}) where a = 1",
            "update t set a = (select b from u where c = 1), d = {}",
            "select 1 where a = 'x' or coalesce({}, b) = 1",
            "-- where a =\nselect {}",
        ] {
            assert_eq!(null(text), Null::Bound, "{text}");
        }
        for text in [
            "select * from t where a = {}",
            "select * from t where a <> 1 and (b = 2 or c >= {})",
            "delete from t where a like {}",
            "select * from t join u on t.a = {}",
            "select case when a = {} then 1 end",
            "update t set a = (select b from u where c={})",
            "select * from t WHERE a BETWEEN {} and 3",
            "select count(*) from t group by a having count(*) > {}",
        ] {
            assert_eq!(null(text), Null::Compared, "{text}");
        }
        assert_eq!(null("select * from t where a = 1 limit {}"), Null::Count);
        assert_eq!(Reading::of(Language::Soql).null(), Null::Text);
    }

    #[test]
    fn a_page_takes_text_and_quoted_attributes() {
        let html = |text| places(Language::Html, text);
        assert_eq!(html("<p class=\"{}\" title='a {}'>it's {} < 3 & {}</p>{}"), [None; 5]);
        assert_eq!(html("<a href={}>x</a><a href=a{}>"), [Some(Place::BareAttribute); 2]);
        assert_eq!(html("<{}><b {}></{}>"), [Some(Place::Tag); 3]);
        assert_eq!(html("<script>f({})</script><p>{}</p>"), [Some(Place::Script), None]);
        assert_eq!(html("<b onclick=\"f('{}')\" style=\"{}\">"), [Some(Place::Script); 2]);
        assert_eq!(html("<!-- <b {} --><p>{}"), [None, None]);
    }
}
