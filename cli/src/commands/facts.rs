//! `flowc facts`: what can be said of a flow before it runs?

use flow_compiler::facts::{self, ConnectionFacts, Facts, Requirement};
use serde_json::{Value as Json, json};

use crate::{
    args,
    environment::variable,
    exit::Exit,
    program,
    trouble::Trouble,
    ui::{self, QUIET, STRONG, styled},
};

/// Prints the facts of the flows of a program.
///
/// # Errors
/// The program has errors, or there is no such flow.
pub(crate) fn facts(args: &args::Facts) -> Result<Exit, Trouble> {
    let file = program::main_file(&args.file)?;
    let loaded = program::Place::of(&file, &args.environment)?.load(&file)?;
    let sources = loaded.sources.clone();
    let plans = match &args.flow {
        Some(name) => vec![program::choose(loaded, Some(name), &file)?],
        None => loaded.plans.into_values().collect(),
    };
    let all: Vec<Facts> =
        plans.iter().map(|plan| facts::facts(plan, &sources.get(&plan.flow).cloned().unwrap_or_default())).collect();
    match args.format {
        args::Format::Human => {
            let text: Vec<String> = all.iter().map(human).collect();
            ui::print(&text.join("\n"))?;
        }
        args::Format::Json => {
            let flows: Vec<Json> = all.iter().map(machine).collect();
            ui::print(&format!("{:#}\n", json!({ "version": 1, "flows": flows })))?;
        }
    }
    Ok(Exit::Done)
}

fn human(facts: &Facts) -> String {
    let mut text = format!("{}\n", styled(STRONG, &facts.flow));
    for (name, connection) in &facts.connections {
        let host = connection.host.as_deref().map(|host| format!(" at {host}")).unwrap_or_default();
        text.push_str(&format!("  calls     {name}: {}{host}\n", connection.connector));
        if !connection.more_hosts.is_empty() {
            let hosts = format!("reaches {} too", connection.more_hosts.join(", "));
            text.push_str(&format!("              {}\n", styled(QUIET, hosts)));
        }
        for operation in &connection.operations {
            text.push_str(&format!("              {operation}\n"));
        }
        text.push_str(&format!("              {}\n", styled(QUIET, calls(connection))));
        if !connection.scopes.is_empty() {
            text.push_str(&format!(
                "              {}\n",
                styled(QUIET, format!("scopes: {}", connection.scopes.join(", ")))
            ));
        }
    }
    if facts.connections.is_empty() {
        text.push_str("  calls     nothing\n");
    }
    for (index, (flow, runs)) in facts.flows.iter().enumerate() {
        let head = if index == 0 { "runs" } else { "" };
        let noun = if runs.as_number() == Some(1) { "run" } else { "runs" };
        text.push_str(&format!("  {head:9} {flow} {}\n", styled(QUIET, format!("at most {runs} {noun} of it"))));
    }
    for (index, secret) in facts.secrets.iter().enumerate() {
        let head = if index == 0 { "secrets" } else { "" };
        text.push_str(&format!("  {head:9} {secret} {}\n", styled(QUIET, format!("from {}", variable(secret)))));
    }
    for (index, (name, requirement)) in facts.variables.iter().enumerate() {
        let head = if index == 0 { "variables" } else { "" };
        let optional =
            if *requirement == Requirement::Optional { styled(QUIET, " has a default") } else { String::new() };
        text.push_str(&format!("  {head:9} {name}{optional}\n"));
    }
    let errors = if facts.errors.is_empty() { "nothing of its own".to_owned() } else { facts.errors.join(", ") };
    text.push_str(&format!("  fails     {errors}\n"));
    text
}

/// `at most 3 calls a run, 15 requests with all retries; the limit is 100 per 1s, enough for 120000 runs an hour`
fn calls(connection: &ConnectionFacts) -> String {
    if connection.calls.is_zero() {
        return "starts the flow; a run calls nothing".to_owned();
    }
    let noun = if connection.calls.as_number() == Some(1) { "call" } else { "calls" };
    let mut text = format!("at most {} {noun} a run", connection.calls);
    if connection.attempts != connection.calls {
        text.push_str(&format!(", {} requests with all retries", connection.attempts));
    }
    if let Some(limit) = connection.limit {
        text.push_str(&format!("; the limit is {} per {}", limit.count, limit.period));
    }
    match (connection.runs_per_hour(), connection.calls_per_hour()) {
        (Some(runs), _) => text.push_str(&format!(", enough for {runs} runs an hour")),
        (None, Some(calls)) => text.push_str(&format!(", enough for {calls} calls an hour")),
        (None, None) => {}
    }
    text
}

fn machine(facts: &Facts) -> Json {
    let connections: Vec<Json> = facts
        .connections
        .iter()
        .map(|(name, connection)| {
            json!({
                "name": name,
                "connector": connection.connector,
                "host": connection.host,
                "more_hosts": connection.more_hosts,
                "operations": connection.operations,
                "scopes": connection.scopes,
                "calls": connection.calls.to_string(),
                "attempts": connection.attempts.to_string(),
                "limit": connection.limit.map(|limit| json!({ "count": limit.count, "period_ms": limit.period.0 })),
                "calls_per_hour": connection.calls_per_hour(),
                "runs_per_hour": connection.runs_per_hour(),
            })
        })
        .collect();
    let secrets: Vec<Json> =
        facts.secrets.iter().map(|name| json!({ "name": name, "variable": variable(name) })).collect();
    let variables: Vec<Json> = facts
        .variables
        .iter()
        .map(|(name, requirement)| json!({ "name": name, "required": *requirement == Requirement::Required }))
        .collect();
    let flows: Vec<Json> =
        facts.flows.iter().map(|(name, runs)| json!({ "name": name, "runs": runs.to_string() })).collect();
    json!({
        "flow": facts.flow,
        "connections": connections,
        "flows": flows,
        "secrets": secrets,
        "variables": variables,
        "errors": facts.errors,
    })
}
