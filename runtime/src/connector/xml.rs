//! XML as values, both ways.
//!
//! An element is a record: attributes are fields whose names begin with `@`, elements within are fields by their names
//! (those that occur several times a list), and text beside them is `#text`. An element with text alone is that text, an
//! empty one is null. Prefixes of names stay, unless local names are asked for; comments and instructions are passed over. What could blow up is refused:
//! document types and with them entities of their own, more than 128 levels, and more elements than JSON may hold values.

use flow_model::value::Value;
use indexmap::IndexMap;
use quick_xml::{
    Reader,
    escape::{escape, partial_escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};

/// How deep elements may stand in each other.
const MOST_DEPTH: usize = 128;

/// How many elements and attributes a document may have.
const MOST_PARTS: usize = 200_000;

/// Which names elements and attributes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As they are written.
    Whole,
    /// Without their prefixes, and without what says what these stand for (Namespaces in XML 1.0, section 3).
    Local,
}

impl Names {
    /// The name of an element or attribute; none of one that is left out.
    fn of(self, written: &str) -> Option<&str> {
        match (self, written.split_once(':')) {
            (Self::Whole, _) => Some(written),
            (Self::Local, Some(("xmlns", _))) => None,
            (Self::Local, Some((_, local))) => Some(local),
            (Self::Local, None) => Some(written).filter(|name| *name != "xmlns"),
        }
    }
}

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    fields: IndexMap<String, Value>,
    text: String,
}

/// Reads a document: a record with one field, the root element.
///
/// # Errors
/// Why it is not acceptable, with the place.
pub(super) fn read(text: &str, names: Names) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    let mut open: Vec<Open> = vec![Open::default()];
    let mut parts = 0;
    loop {
        let at = reader.buffer_position();
        let wrong = |cause: String| format!("it is not acceptable XML at byte {at}: {cause}");
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(start) => {
                let element = begin(&start, names).map_err(wrong)?;
                parts += 1 + element.fields.len();
                if parts > MOST_PARTS {
                    return Err(wrong(format!("more than {MOST_PARTS} elements")));
                }
                if open.len() > MOST_DEPTH {
                    return Err(wrong(format!("more than {MOST_DEPTH} levels deep")));
                }
                open.push(element);
            }
            Event::End(_) => {
                let Some(element) = open.pop() else { return Err(wrong("an element ends that has not begun".into())) };
                let Some(outer) = open.last_mut() else {
                    return Err(wrong("an element ends that has not begun".into()));
                };
                let name = element.name.clone();
                add(&mut outer.fields, name, element.value());
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| wrong(error.to_string()))?;
                append(&mut open, &text);
            }
            Event::CData(data) => {
                let text = data.decode().map_err(|error| wrong(error.to_string()))?;
                append(&mut open, &text);
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| wrong(error.to_string()))?;
                match character {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4])),
                    None => {
                        let name = reference.decode().map_err(|error| wrong(error.to_string()))?;
                        let known = resolve_predefined_entity(&name)
                            .ok_or_else(|| wrong(format!("the entity `{name}` is not one of XML's own")))?;
                        append(&mut open, known);
                    }
                }
            }
            Event::DocType(_) => return Err(wrong("it has a document type, which could hold anything".into())),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
    match open.pop() {
        Some(whole) if open.is_empty() && whole.fields.len() == 1 => Ok(Value::Record(whole.fields)),
        Some(_) if open.is_empty() => Err("it is not XML: it has not one root element".to_owned()),
        _ => Err("it is not acceptable XML: it ends within an element".to_owned()),
    }
}

fn begin(start: &BytesStart<'_>, names: Names) -> Result<Open, String> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| error.to_string());
    let name = text(start.name().as_ref())?;
    let mut element = Open { name: names.of(&name).unwrap_or(&name).to_owned(), ..Open::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .decoded_and_normalized_value(quick_xml::XmlVersion::Implicit1_0, start.decoder())
            .map_err(|error| error.to_string())?;
        if let Some(name) = names.of(&text(attribute.key.as_ref())?) {
            element.fields.insert(format!("@{name}"), Value::text(&*value));
        }
    }
    Ok(element)
}

fn append(open: &mut [Open], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn add(fields: &mut IndexMap<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => {
            fields.insert(name, value);
        }
        Some(Value::List(items)) => items.push(value),
        Some(first) => {
            let one = std::mem::replace(first, Value::Null);
            *first = Value::List(vec![one, value]);
        }
    }
}

impl Open {
    fn value(mut self) -> Value {
        let text = self.text.trim();
        match (self.fields.is_empty(), text.is_empty()) {
            (true, true) => Value::Null,
            (true, false) => Value::text(text),
            (false, true) => Value::Record(self.fields),
            (false, false) => {
                self.fields.insert("#text".to_owned(), Value::text(text));
                Value::Record(self.fields)
            }
        }
    }
}

/// Writes a document from a record with one field, the root element.
///
/// # Errors
/// When a name can't be one of XML, or a character can't stand in XML at all.
pub(super) fn write(value: &Value) -> Result<String, String> {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned();
    match value {
        Value::Record(fields) if fields.len() == 1 => {
            for (name, value) in fields {
                element(name, value, &mut text)?;
            }
            Ok(text)
        }
        _ => Err("an XML document has one root element".to_owned()),
    }
}

fn element(name: &str, value: &Value, text: &mut String) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("`{name}` can't be the name of an XML element"));
    }
    match value {
        Value::Null => {}
        Value::List(items) => {
            for item in items {
                element(name, item, text)?;
            }
        }
        Value::Record(fields) => {
            text.push_str(&format!("<{name}"));
            for (attribute, value) in fields {
                let Some(attribute) = attribute.strip_prefix('@') else { continue };
                if !is_name(attribute) {
                    return Err(format!("`{attribute}` can't be the name of an XML attribute"));
                }
                if *value != Value::Null {
                    text.push_str(&format!(" {attribute}=\"{}\"", escape(clean(value)?)));
                }
            }
            text.push('>');
            for (inner, value) in fields {
                match inner.as_str() {
                    "#text" => text.push_str(&partial_escape(clean(value)?)),
                    inner if inner.starts_with('@') => {}
                    inner => element(inner, value, text)?,
                }
            }
            text.push_str(&format!("</{name}>"));
        }
        single => text.push_str(&format!("<{name}>{}</{name}>", partial_escape(clean(single)?))),
    }
    Ok(())
}

/// Text that may stand in XML 1.0 (section 2.2): no control characters but tab and line ends.
fn clean(value: &Value) -> Result<String, String> {
    let text = value.to_string();
    let stands = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    if text.chars().all(stands) { Ok(text) } else { Err("a control character can't stand in XML".to_owned()) }
}

fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_numeric() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_records_attributes_begin_with_at_and_rows_are_lists() {
        let text = r#"<?xml version="1.0"?><!-- a --><order id="7"><line sku="a">2 &amp; 3</line><line sku="b"/>
            <note><![CDATA[<b>]]></note><empty/></order>"#;
        assert_eq!(
            read(text, Names::Whole).unwrap().to_json(),
            json!({ "order": {
                "@id": "7",
                "line": [{ "@sku": "a", "#text": "2 & 3" }, { "@sku": "b" }],
                "note": "<b>",
                "empty": null,
            } })
        );
    }

    #[test]
    fn names_have_their_prefixes_or_none() {
        let text = r#"<s:Envelope xmlns:s="urn:soap" xmlns="urn:other" s:id="1"><s:Body><Get x:nil="true"/></s:Body></s:Envelope>"#;
        assert_eq!(
            read(text, Names::Local).unwrap().to_json(),
            json!({ "Envelope": { "@id": "1", "Body": { "Get": { "@nil": "true" } } } })
        );
        assert_eq!(
            read(text, Names::Whole).unwrap().to_json(),
            json!({ "s:Envelope": {
                "@xmlns:s": "urn:soap",
                "@xmlns": "urn:other",
                "@s:id": "1",
                "s:Body": { "Get": { "@x:nil": "true" } },
            } })
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = Value::record([(
            "Order",
            Value::record([
                ("@id", Value::text("a\"<b>")),
                ("Line", Value::List(vec![Value::text("1 < 2 & 3"), Value::text("x")])),
                ("Gone", Value::Null),
            ]),
        )]);
        let text = write(&value).unwrap();
        assert_eq!(
            read(&text, Names::Whole).unwrap().to_json(),
            json!({ "Order": { "@id": "a\"<b>", "Line": ["1 < 2 & 3", "x"] } })
        );
        assert!(write(&Value::record([("a b", Value::Null)])).is_err());
        assert!(write(&Value::record([("a", Value::text("\u{1}"))])).is_err());
    }

    #[test]
    fn document_types_entities_depth_and_pieces_are_refused() {
        let laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>"#;
        let outside = r#"<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>"#;
        let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST_PARTS + 1));
        for text in [laughs, outside, &deep, &many, "<l>&x;</l>", "<a></b>", "<a>", "<a/><b/>", "", "text", "<a b=1/>"]
        {
            assert!(read(text, Names::Local).is_err(), "{}", text.get(..60).unwrap_or(text));
        }
    }
}
