//! What does the front end do, pass by pass, to programs of any length?

use std::fmt::Write as _;

use flow_compiler::{Catalog, LoadError, Loader};

/// How many lines the programs have, unless numbers are given.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// What is done to a text, by name: pest's own bare parse of it, text to tree, the whole of `flowc check`, and the layout.
pub(crate) type Passes<'t> = [(&'static str, Box<dyn Fn() + 't>); 4];

/// The programs that the bench is asked for.
pub(crate) fn programs() -> Vec<String> {
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    (if asked.is_empty() { &SIZES } else { asked.as_slice() }).iter().map(|lines| program(*lines)).collect()
}

pub(crate) fn passes(text: &str) -> Passes<'_> {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let check = move || {
        let checked = flow_compiler::check("generated.flow", text.as_bytes(), &catalog, &NoFiles);
        assert!(checked.program.is_some(), "the generated program is right: {:?}", checked.diagnostics.first());
    };
    [
        ("pest", Box::new(|| assert!(flow_grammar::parses(text)))),
        ("read", Box::new(|| drop(flow_grammar::read(text)))),
        ("check", Box::new(check)),
        ("format", Box::new(|| drop(flow_compiler::format(text)))),
    ]
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

/// A program of about so many lines: records, functions and flows with steps, branches and loops, as people write them.
fn program(lines: usize) -> String {
    const LINES_OF_A_PART: usize = 36;
    let mut text = String::from("use stripe, slack\n\nconnection team = slack {}\n");
    for part in 0..lines / LINES_OF_A_PART {
        write!(
            text,
            r##"
/// An order of shop {part}.
record Order{part} {{
  id:     String
  tier:   "enterprise" | "pro" | "standard"
  email:  Email? @pii
  total:  Decimal
  lines:  List<{{ sku: String, quantity: Int }}>
}}

// How the order is handled.
fn handling_{part}(order: Order{part}) -> String {{
  match order.tier {{
    "enterprise" => "call first"
    "pro" if order.total > 1000.00 => "call first"
    "pro" | "standard" => "usual"
  }}
}}

/// Pays back what was not delivered in shop {part}.
flow refund_{part}(order: Order{part}, payment: String) {{
  let missing = order.lines.filter(line -> line.quantity == 0).map(line -> line.sku)
  let note = "{{order.id}}: {{missing.join(", ")}} ({{handling_{part}(order)}})"
  step paid = stripe.payment_intents.get(id: payment)
  if paid.status == "succeeded" and missing.length > 0 {{
    step refund = stripe.refunds.create(payment_intent: paid.id, reason: "requested_by_customer")
    log "refund {{refund.id}} of {{paid.amount}} for {{note}}"
  }} else {{
    log "nothing to do for {{note}}"
  }}
  let counts = for line in order.lines concurrency 4 {{
    line.quantity + 1
  }}
  step sent = team.chat.post_message(channel: "#shop-{part}", text: "refund of {{order.id}}: {{counts.sum() ?? 0}}")
  return {{ order: order.id, channel: sent.channel, missing }}
}}
"##
        )
        .expect("writing to a string does not fail");
    }
    text
}
