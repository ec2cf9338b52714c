//! Flows become plans: what the drawings of `tests/cases/plan` can't show.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    expr::{Expr, Slot},
    plan::{Backoff, Edge, NodeKind, Plan, Retry, Step},
    units::Millis,
    value::Value,
};

use crate::{Catalog, Checked, LoadError, Loader, check};

const SHOP: &str = r#"
connector shop {
  config { token: Secret<String> = secret("shop/token") }

  http {
    base: "https://shop.example.com"
    auth: bearer(config.token)
  }

  enum Level { Low, High }
  record Item { id: String, made: Timestamp from "createdAt", level: Level }
  record Unused { id: String }

  operation items.get(id: String) -> Item? {
    effect:  read
    request: GET "/items/{id}"
  }

  operation items.make(id: String, note: String = "none", tag: String?) -> Item {
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/items" { body: { id, note, tag } }
  }

  operation items.put(item: Item) -> Unused {
    effect:  idempotent
    request: PUT "/items" { body: { item } }
  }

  operation messages.send(text: String) {
    effect:  create
    request: POST "/messages" { body: { text } }
  }
}
"#;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

fn checked(text: &str) -> Checked {
    let catalog = Catalog { connectors: BTreeMap::new(), functions: &[] };
    check("main.flow", format!("{text}\n{SHOP}").as_bytes(), &catalog, &NoFiles)
}

fn plan(text: &str) -> Plan {
    let checked = checked(text);
    let messages: Vec<_> = checked.diagnostics.iter().map(|problem| problem.message.as_str()).collect();
    assert!(checked.program.is_some(), "{messages:?}");
    checked.program.unwrap().plans.remove("main").unwrap()
}

fn steps(plan: &Plan) -> Vec<(&str, &Step)> {
    plan.graph
        .node_weights()
        .filter_map(|node| match &node.kind {
            NodeKind::Step(step) => Some((node.path.as_str(), &**step)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_plan_holds_what_it_uses_and_no_more() {
    let plan = plan(
        r#"
        const greeting = ["hello", word]
        const word = "world"
        fn shout(text: String) -> String { "{text}! {greeting}" }
        fn other() -> String { "not used" }
        connection second = shop { token: secret("second/token") }
        flow main(id: String) {
          step got = second.items.get(id)
          return { id: got?.id, text: shout(id) }
        }
        flow side { log other() }
        "#,
    );
    assert_eq!(plan.connections.keys().collect::<Vec<_>>(), ["second"]);
    let connector = &plan.connectors["shop"];
    assert_eq!(connector.operations.keys().collect::<Vec<_>>(), ["items.get"]);
    assert_eq!(connector.types.0.keys().collect::<Vec<_>>(), ["shop.Item", "shop.Level"]);
    assert_eq!(plan.functions.keys().collect::<Vec<_>>(), ["greeting", "shout"]);
    assert_eq!(plan.secrets, ["second/token"], "the connector's own default is replaced");
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again.digest(), plan.digest());
}

#[test]
fn paths_stay_while_other_statements_come_and_go() {
    let steps_of = |before: &str| {
        let text = format!(
            r#"
            flow main(ids: List<String>) {{
              {before}
              step first = shop.items.get(id: "a")
              parallel {{
                step left = shop.items.get(id: "b")
                step shop.messages.send(text: "c")
              }}
              for id in ids {{
                if id != "" {{ step shop.messages.send(text: id) }}
              }}
              step shop.messages.send(text: "{{first?.id ?? ""}} {{left?.id ?? ""}}")
            }}
            "#
        );
        let plan = plan(&text);
        let paths: BTreeSet<_> = plan.graph.node_weights().map(|node| node.path.clone()).collect();
        assert_eq!(paths.len(), plan.graph.node_count(), "a path stands twice");
        steps(&plan).into_iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>()
    };
    let expected = ["first", "left", "shop.messages.send", "id/shop.messages.send", "shop.messages.send#2"];
    assert_eq!(steps_of(""), expected);
    let more = steps_of("let unused = 1  if ids == [] { log \"none\" }  step other = shop.items.get(id: \"z\")");
    assert_eq!(more.iter().skip(1).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
}

#[test]
fn regions_are_reached_from_their_node_alone() {
    let plan = plan(
        r#"
        error Gone { id: String }
        flow main(ids: List<String>) {
          let all = for id in ids concurrency 4 on error collect {
            step item = shop.items.get(id) else fail Gone(id) catch { NotFound => null }
            item?.id
          }
          parallel { log "a"  log "b" }
          if all.failed == [] { log "none" } else if ids == [] { log "no ids" } else { log "some" }
          return all.ok
        }
        "#,
    );
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> = plan.entry.into_iter().collect();
    while let Some(node) = open.pop() {
        assert!(reached.insert(node), "{node:?} is reached twice");
        open.extend(plan.next(node));
        open.extend((0..10).filter_map(|index| plan.region(node, index)));
    }
    assert_eq!(reached.len(), plan.graph.node_count());
    let regions = plan.graph.edge_weights().filter(|edge| matches!(edge, Edge::Region(_))).count();
    assert_eq!(regions, plan.graph.node_count() - plan.graph.edge_count() + regions - 1, "a forest of chains");
}

#[test]
fn the_nearest_policy_wins_and_what_is_safe_is_retried() {
    let policies = |with: &str, step: &str| {
        let plan = plan(&format!(
            r#"
            policy slow {{ timeout: 1m, retry {{ times: 7, backoff: fixed(1s) }} }}
            connection near = shop {{}} {with}
            flow main {{
              step {step}
            }}
            "#
        ));
        let [(_, step)] = steps(&plan)[..] else { panic!("one step") };
        step.policy.clone()
    };
    let get = "near.items.get(id: \"a\")";
    let send = "near.messages.send(text: \"a\")";
    let by_default = policies("", get);
    assert_eq!((by_default.timeout, by_default.retry), (Some(Millis::seconds(30)), Some(Retry::standard())));
    assert_eq!(policies("", send).retry, Some(Retry::none()));
    let of_connection = policies("with slow", get);
    let retry = of_connection.retry.unwrap();
    assert_eq!(
        (of_connection.timeout, retry.times, retry.backoff),
        (Some(Millis::seconds(60)), 7, Backoff::Fixed(Millis(1000)))
    );
    let of_step = policies("with slow", &format!("{get} with {{ timeout: 5s }}"));
    assert_eq!((of_step.timeout, of_step.retry.map(|retry| retry.times)), (Some(Millis::seconds(5)), Some(7)));
    assert_eq!(policies("with slow", &format!("{send} with {{ retry: none }}")).retry, Some(Retry::none()));
}

#[test]
fn arguments_stand_in_declared_order_with_defaults() {
    let plan = plan(
        r#"
        flow main(id: String, tag: String) {
          step a = shop.items.make(tag, id: "x", key: "k {id}")
          step b = shop.items.make(id, "noted")
          return [a.id, b.id]
        }
        "#,
    );
    let all = steps(&plan);
    let text = |text: &str| Expr::Literal(Value::text(text));
    assert_eq!(all[0].1.args, [text("x"), text("none"), Expr::Slot(Slot(1))]);
    assert!(all[0].1.key.is_some());
    assert_eq!(all[1].1.args, [Expr::Slot(Slot(0)), text("noted"), Expr::Literal(Value::Null)]);
    assert_eq!(all[1].1.key, None);
}

#[test]
fn json_names_are_given_where_a_value_leaves() {
    let plan = plan(
        r#"
        flow main(at: Timestamp) {
          let item: shop.Item = { id: "a", made: at, level: shop.Level.Low }
          step shop.items.put(item)
        }
        "#,
    );
    let all = steps(&plan);
    assert!(matches!(&all[0].1.args[0], Expr::Wire(_, ty) if ty.to_string() == "shop.Item"));
}

#[test]
fn the_errors_of_a_flow_are_those_that_nothing_catches() {
    let errors = |body: &str| {
        let text = format!("error Own {{}}\nerror Other {{}}\nflow main(flag: Bool) {{ {body} }}");
        plan(&text).errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(errors("if flag { fail Own() }"), ["Own"]);
    assert_eq!(errors("try { fail Own() } catch { Own => { fail Other() } }"), ["Other"]);
    assert_eq!(errors("try { fail Own() } catch { Own if flag => null }"), ["Own"]);
    assert!(errors("step shop.messages.send(text: \"a\")").contains(&"Interrupted".to_owned()));
    assert!(!errors("step shop.items.get(id: \"a\")").contains(&"Interrupted".to_owned()));
    assert!(errors("step shop.items.get(id: \"a\") optional").is_empty());
    assert!(errors("for x in [1] on error skip { log \"{x}\"  fail Own() }").is_empty());
}

#[test]
fn each_fix_mends_its_mistake() {
    let programs = [
        "flow main { let item = shop.items.get(id: \"a\")  return item?.id }",
        "flow main { shop.messages.send(text: \"a\") }",
        "flow main { step item = shop.items.gte(id: \"a\")  return item?.id }",
        "flow main { step item = shop.items.get(idd: \"a\")  return item?.id }",
        "flow main { step item = shop.items.get(id: \"a\")  return item.id }",
        "flow main { step item = shop.items.get(id: \"a\")  return itme?.id }",
        "flow main { step shop.messages.send(text: \"a\") with { retry { times: 2 } } }",
        "connection far = shop {} with { retry { times: 2 } }\nflow main { step far.messages.send(text: \"a\") }",
        "flow main { let level: shop.Level = \"Low\"  return level }",
        "flow main { return shop.Level.Hihg }",
        "error Own {}\nerror Other {}\nflow main(x: Bool) fails Own { if x { fail Own() }  fail Other() }",
        "flow main(x: Int) { x + 1 }",
        "flow main(x: \"abc\" | \"def\") { return match x { \"abcd\" => 1, _ => 2 } }",
        "flow main { on http psot \"/a\" { verify: none because \"a test\"  dedupe: .path }  log \"a\" }",
    ];
    for program in programs {
        let first = checked(program);
        let [problem] = &first.diagnostics[..] else {
            panic!("{program}: {:?}", first.diagnostics.iter().map(|problem| &problem.message).collect::<Vec<_>>());
        };
        let fix = problem.fixes.first().unwrap_or_else(|| panic!("{program}: {} has no fix", problem.code));
        let mut text = format!("{program}\n{SHOP}");
        for edit in fix.edits.iter().rev() {
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        let catalog = Catalog { connectors: BTreeMap::new(), functions: &[] };
        let second = check("main.flow", text.as_bytes(), &catalog, &NoFiles);
        let left: Vec<_> = second.diagnostics.iter().map(|problem| &problem.message).collect();
        assert!(left.is_empty(), "{program}: {} leaves {left:?}", fix.title);
    }
}

#[test]
fn an_undo_is_a_region_of_its_step_and_sees_the_result() {
    let plan = plan(
        r#"
        error Gone { id: String }
        flow main(id: String) {
          saga {
            step got = shop.items.get(id) else fail Gone(id) undo shop.messages.send(text: got.id)
            step sent = shop.items.make(id) undo shop.messages.send(text: "{sent.id} {got.id}")
          }
        }
        "#,
    );
    let at = |path: &str| plan.graph.node_indices().find(|node| plan.graph[*node].path == path).unwrap();
    let saga = at("saga");
    assert!(matches!(plan.graph[saga].kind, NodeKind::Saga { slot: None }));
    assert_eq!(plan.region(saga, 0), Some(at("got")));
    // What was null was not made, so there is nothing to take back.
    let guard = plan.region(at("got"), 0).unwrap();
    assert!(matches!(plan.graph[guard].kind, NodeKind::If { .. }));
    assert_eq!((plan.region(guard, 0), plan.region(guard, 1)), (None, Some(at("got.undo"))));
    assert_eq!(plan.region(at("sent"), 0), Some(at("sent.undo")));
    assert_eq!(plan.next(at("sent.undo")), None);
    let steps: BTreeMap<_, _> = steps(&plan).into_iter().collect();
    let slot = steps["sent"].slot.unwrap();
    assert!(format!("{:?}", steps["sent.undo"].args).contains(&format!("{slot:?}")));
    assert!(!plan.errors.iter().any(|kind| kind.name() == "Interrupted"), "what an undo ends with is not the flow's");
}

#[test]
fn a_call_of_a_flow_is_pinned_to_its_plan() {
    let text = r#"
        error Gone { id: String }
        flow main(id: String) { step name = last(id)  step again = middle() catch { Gone => "none" }  return { name, again } }
        flow middle { step text = last(id: "a")  return text }
        flow last(id: String, note: String = "none") { if id == "" { fail Gone(id) } return "{id} {note}" }
        "#;
    let checked = checked(text);
    let program = checked.program.unwrap();
    let main = &program.plans["main"];
    let runs: Vec<_> = main
        .graph
        .node_weights()
        .filter_map(|node| match &node.kind {
            NodeKind::Run { flow, digest, params, slot } => {
                let params: Vec<_> = params.iter().map(|(name, _)| name.as_str()).collect();
                Some((flow.as_str(), digest.clone(), params, slot.is_some()))
            }
            _ => None,
        })
        .collect();
    let digest = |flow: &str| program.plans[flow].digest();
    assert_eq!(runs, [("last", digest("last"), vec!["id", "note"], true), ("middle", digest("middle"), vec![], true)]);
    assert_eq!(main.errors.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["Rejected", "Gone"]);
    assert_eq!(program.called_by("main").iter().map(|plan| plan.flow.as_str()).collect::<Vec<_>>(), ["last", "middle"]);
    assert!(program.called_by("last").is_empty());
}
