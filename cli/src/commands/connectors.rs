//! `flowc connectors`: what do connectors offer?

use std::{collections::BTreeSet, path::Path};

use flow_compiler::reference::{OperationReference, Parameter, Reference, reference};
use serde_json::json;

use crate::{
    args::{self, ConnectorsCommand},
    contract::{self, Record, spec::Spec},
    exit::Exit,
    host,
    program::Place,
    suggest::nearest,
    trouble::Trouble,
    ui::{self, CARE, HINT, QUIET, STRONG, WELL, WRONG, styled},
};

/// Lists connectors, or shows one.
///
/// # Errors
/// There is no such connector or operation.
pub(crate) fn connectors(args: &args::Connectors) -> Result<Exit, Trouble> {
    let place = Place::of(Path::new("."), &args::Environment { name: None })?;
    match &args.command {
        ConnectorsCommand::List(args) => list(&place, args),
        ConnectorsCommand::Show(args) => show(&place, args),
        ConnectorsCommand::Test(args) => test(&place, args),
    }
}

/// Replays the recorded pairs of a connector, or holds what it would send against a description.
fn test(place: &Place, args: &args::ConnectorsTest) -> Result<Exit, Trouble> {
    let found = known(place, &args.connector)?;
    let spec = args.spec.as_deref().map(spec).transpose()?;
    match spec {
        Some(spec) if args.made_up => made_up(place, &found, &spec.without_bounds()),
        spec => recorded(place, args, &found, spec.as_ref()),
    }
}

/// Of a base with parts that connections set, the path is what counts.
fn base_path(found: &Reference) -> &str {
    let base = found.base.as_deref().and_then(|base| base.split_once("://")).map_or("", |(_, rest)| rest);
    base.find('/').map_or("", |at| &base[at..])
}

/// Holds what operations send with made-up arguments against a description.
fn made_up(place: &Place, found: &Reference, spec: &Spec) -> Result<Exit, Trouble> {
    let example = |sent: &contract::Sent| spec.example(base_path(found), sent);
    let calls = host::block_on(async { Ok(contract::made_up::calls(found, place.catalog(), &example).await) })?;
    let calls = calls.map_err(|why| Trouble::new(Exit::Program, format!("`{}` can't be called: {why}", found.name)))?;
    let (mut refused, mut operations) = (0, BTreeSet::new());
    for call in &calls {
        operations.insert(call.operation.as_str());
        let told = call.sent.iter().map(|sent| match sent {
            Ok((sent, media_type)) => spec.objections(base_path(found), sent, media_type.as_deref()),
            Err(why) => vec![why.clone()],
        });
        let mut wrong = told.min_by_key(Vec::len).unwrap_or_default();
        let unread = call.unread.iter();
        wrong.extend(
            unread.map(|why| format!("the answer that the description has as an example does not read: {why}")),
        );
        if wrong.is_empty() {
            continue;
        }
        refused += 1;
        let which = if call.is_whole { "with all arguments" } else { "with those that must be given" };
        ui::print(&format!("  {} {}  {}\n", styled(WRONG, "✗"), call.operation, styled(QUIET, which)))?;
        for line in wrong {
            ui::print(&format!("      {}\n", ui::plain(&line)))?;
        }
    }
    let (total, operations) = (ui::count(calls.len(), "request"), ui::count(operations.len(), "operation"));
    let line = match refused {
        0 => format!("{total} of {operations} as the description has them"),
        _ => format!("{refused} of {total} of {operations} not as the description has them"),
    };
    ui::say(&format!("{line}\n"));
    Ok(if refused == 0 { Exit::Done } else { Exit::Program })
}

/// Replays what was recorded.
fn recorded(
    place: &Place,
    args: &args::ConnectorsTest,
    found: &Reference,
    spec: Option<&Spec>,
) -> Result<Exit, Trouble> {
    let folders = place.project().connectors.iter().map(|folder| folder.value.as_str());
    let folder = args.pairs.clone().unwrap_or_else(|| {
        let folder = folders.clone().next().unwrap_or("connectors");
        place.folder(Path::new(".")).join(folder).join(format!("{}.pairs", found.name))
    });
    let files = contract::pairs(&folder)?;
    let (mut passed, mut failed) = (0, 0);
    for (file, pairs) in &files {
        ui::print(&format!("{}\n", styled(STRONG, file)))?;
        for record in pairs {
            let catalog = place.catalog();
            let (about, of, wrong) = match record {
                Record::Pair(pair) => {
                    let replayed = host::block_on(async { Ok(contract::replay::replay(pair, found, catalog).await) })?;
                    let mut wrong = replayed.wrong;
                    if let (Some(spec), Some(sent)) = (spec, &replayed.sent) {
                        wrong.extend(spec.objections(base_path(found), sent, replayed.media_type.as_deref()));
                    }
                    (&pair.about, pair.operation.as_str(), wrong)
                }
                Record::Delivery(delivery) => {
                    let replayed = contract::delivery::replay(delivery, found, catalog);
                    (&delivery.about, "webhook", host::block_on(async { Ok(replayed.await) })?)
                }
            };
            let (mark, count) =
                if wrong.is_empty() { (styled(WELL, "✓"), &mut passed) } else { (styled(WRONG, "✗"), &mut failed) };
            *count += 1;
            ui::print(&format!("  {mark} {}  {}\n", ui::plain(about), styled(QUIET, of)))?;
            for line in wrong {
                ui::print(&format!("      {}\n", ui::plain(&line)))?;
            }
        }
    }
    let total = ui::count(passed + failed, "pair");
    let line =
        if failed == 0 { format!("{total} as recorded") } else { format!("{failed} of {total} not as recorded") };
    ui::say(&format!("{line}\n"));
    Ok(if failed == 0 { Exit::Done } else { Exit::Program })
}

/// The description of an API in a file.
fn spec(path: &Path) -> Result<Spec, Trouble> {
    let text = super::import::text(path)?;
    let wrong = |why: &dyn std::fmt::Display| Trouble::new(Exit::Usage, format!("`{}`: {why}", path.display()));
    let root = flow_compiler::import::description(&text).map_err(|failure| wrong(&failure))?;
    Spec::of(root).map_err(|why| wrong(&why))
}

/// A connector of the place without mistakes.
fn known(place: &Place, name: &str) -> Result<Reference, Trouble> {
    let catalog = place.catalog();
    if let Some(found) = reference(name, catalog) {
        return Ok(found);
    }
    Err(match catalog.connectors.get(name) {
        Some(source) => Trouble::new(Exit::Program, format!("the connector `{name}` has mistakes"))
            .help(format!("`flowc check {}` tells them", source.path)),
        None => {
            let near = nearest(name, catalog.connectors.keys().map(String::as_str));
            Trouble::new(Exit::Usage, format!("there is no connector `{name}`")).help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`flowc connectors list` lists them".to_owned(),
            })
        }
    })
}

fn list(place: &Place, args: &args::ConnectorsList) -> Result<Exit, Trouble> {
    let catalog = place.catalog();
    let all: Vec<(String, Option<Reference>)> =
        catalog.connectors.keys().map(|name| (name.clone(), reference(name, catalog))).collect();
    match args.format {
        args::Format::Human => {
            let widest = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let row = |(name, found): &(String, Option<Reference>)| {
                let doc = match found {
                    Some(found) => found.doc.lines().next().unwrap_or_default().to_owned(),
                    None => styled(CARE, "has mistakes: `flowc check` tells").to_string(),
                };
                format!("{}{}  {doc}\n", styled(STRONG, name), " ".repeat(widest - name.len()))
            };
            ui::print(&all.iter().map(row).collect::<String>())?;
        }
        args::Format::Json => {
            let rows: Vec<_> = all
                .iter()
                .map(|(name, found)| {
                    let operations = found.as_ref().map_or(0, |found| found.operations.len());
                    json!({ "name": name, "doc": found.as_ref().map(|found| &found.doc), "operations": operations })
                })
                .collect();
            ui::print(&format!("{:#}\n", json!(rows)))?;
        }
    }
    Ok(Exit::Done)
}

fn show(place: &Place, args: &args::ConnectorsShow) -> Result<Exit, Trouble> {
    let name = &args.connector;
    let found = known(place, name)?;
    let Some(wanted) = &args.operation else {
        ui::print(&match args.format {
            args::Format::Human => human(&found),
            args::Format::Json => format!("{:#}\n", json!(found)),
        })?;
        return Ok(Exit::Done);
    };
    let Some(operation) = found.operations.iter().find(|operation| operation.name == *wanted) else {
        let known = || found.operations.iter().map(|operation| operation.name.as_str());
        return Err(Trouble::new(Exit::Usage, format!("`{name}` has no operation `{wanted}`")).help(
            match nearest(wanted, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", ui::listed(known())),
            },
        ));
    };
    ui::print(&match args.format {
        args::Format::Human => one(&found, operation),
        args::Format::Json => format!("{:#}\n", json!(operation)),
    })?;
    Ok(Exit::Done)
}

fn human(found: &Reference) -> String {
    let mut text = format!("{}  {}\n", styled(STRONG, &found.name), found.doc);
    let facts = [
        ("base", found.base.clone()),
        ("also", Some(found.also.join(", "))),
        ("version", found.version.clone()),
        ("docs", found.docs.clone()),
        ("limit", Some(found.limits.join(", "))),
        ("errors", Some(found.errors.join(", "))),
    ];
    for (title, fact) in facts {
        if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
            text.push_str(&format!("  {title:9} {fact}\n"));
        }
    }
    text.push_str(&rows("settings", &found.settings));
    if !found.operations.is_empty() {
        text.push_str("\n  operations\n");
    }
    for operation in &found.operations {
        text.push_str(&format!("    {}", signature(operation)));
        text.push_str(&format!("  {}\n", styled(QUIET, operation.effect)));
        if let Some(line) = operation.doc.lines().next() {
            text.push_str(&format!("        {}\n", styled(QUIET, line)));
        }
    }
    if !found.triggers.is_empty() {
        text.push_str("\n  triggers\n");
    }
    for trigger in &found.triggers {
        let parameters: Vec<_> = trigger.parameters.iter().map(|one| format!("{}: {}", one.name, one.ty)).collect();
        let parameters = if parameters.is_empty() { String::new() } else { format!("({})", parameters.join(", ")) };
        let polled = trigger.every.as_ref().map(|every| styled(QUIET, format!("  asked for every {every}")));
        let polled = polled.unwrap_or_default();
        let name = styled(HINT, &trigger.name);
        text.push_str(&format!("    {name}{parameters} as {}{polled}\n", trigger.payload));
        if let Some(line) = trigger.doc.lines().next() {
            text.push_str(&format!("        {}\n", styled(QUIET, line)));
        }
        if let Some(order) = &trigger.order {
            text.push_str(&format!("        {}\n", styled(QUIET, order.replace('`', ""))));
        }
    }
    for verification in &found.verifications {
        text.push_str(&format!("    verify: {}.{verification}\n", found.name));
    }
    text
}

/// One operation with all that is known of it, and of the types that it gives and takes.
fn one(found: &Reference, operation: &OperationReference) -> String {
    let mut text = format!("{}.{}\n", styled(STRONG, &found.name), signature(operation));
    for line in operation.doc.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&rows("parameters", &operation.parameters));
    text.push('\n');
    for note in operation.notes() {
        text.push_str(&format!("  {}\n", note.replace('`', "")));
    }
    for ty in types_of(found, &operation.signature) {
        let indented: Vec<String> = ty.lines().map(|line| format!("  {line}")).collect();
        text.push_str(&format!("\n{}\n", styled(QUIET, indented.join("\n"))));
    }
    text
}

/// The types of the connector that a signature names.
fn types_of<'r>(found: &'r Reference, signature: &str) -> Vec<&'r str> {
    let is_named = |ty: &&String| {
        let name = ty.split([' ', '{']).nth(1).unwrap_or_default();
        signature
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '.')
            .any(|word| word == name)
    };
    found.types.iter().filter(is_named).map(String::as_str).collect()
}

fn signature(operation: &OperationReference) -> String {
    match operation.signature.strip_prefix(&operation.name) {
        Some(rest) => format!("{}{rest}", styled(HINT, &operation.name)),
        None => operation.signature.clone(),
    }
}

fn rows(title: &str, parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let widest = parameters.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let row = |one: &Parameter| {
        let absent = match (&one.default, one.required) {
            (Some(default), _) => format!(" = {default}"),
            (None, true) => String::new(),
            (None, false) => format!("  {}", styled(QUIET, "may be left out")),
        };
        format!("    {:widest$}  {}{absent}\n", one.name, one.ty)
    };
    format!("\n  {title}\n{}", parameters.iter().map(row).collect::<String>())
}
