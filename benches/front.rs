//! How fast is the front end, and does it grow linearly?
//!
//! Generates programs of 1,000, 10,000 and 100,000 lines, and prints for each how many lines a second are parsed, checked
//! and formatted on one core, how many bytes that allocates, and how the time compares with pest's own bare parse of the
//! same text in the same run: `read` is text to tree, `check` the whole of `flowc check`, `rest` what `check` takes beyond
//! `read`: names, types and rules. Machines are noisy: the ratios are what to compare between runs.
//!
//! `cargo bench -p flow-benches --bench front`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{fmt::Write as _, time::Instant};

use flow_compiler::{Catalog, LoadError, Loader};

fn main() {
    println!("{:>8}  {:<7} {:>12} {:>10} {:>12} {:>10}", "lines", "what", "lines/s", "ms", "bytes/line", "× pest");
    let mut check = Vec::new();
    for lines in [1_000, 10_000, 100_000] {
        let text = program(lines);
        let lines = text.lines().count();
        let bare = fastest(|| assert!(flow_grammar::parses(&text)));
        row(lines, "pest", &bare, &bare);
        let read = fastest(|| drop(flow_grammar::read(&text)));
        row(lines, "read", &read, &bare);
        let catalog = catalog();
        let checked = fastest(|| {
            let checked = flow_compiler::check("generated.flow", text.as_bytes(), &catalog, &NoFiles);
            assert!(checked.program.is_some(), "the generated program is right: {:?}", checked.diagnostics.first());
        });
        row(lines, "check", &checked, &bare);
        let rest = Cost { seconds: checked.seconds - read.seconds, bytes: checked.bytes.saturating_sub(read.bytes) };
        row(lines, "rest", &rest, &bare);
        row(lines, "format", &fastest(|| drop(flow_compiler::format(&text))), &bare);
        check.push((lines, checked.seconds));
    }
    if let [.., (ten, ten_time), (hundred, hundred_time)] = check.as_slice() {
        println!(
            "\n`check` of {hundred} lines takes {:.1} times as long as of {ten} lines (linear: {:.1}; aim: below 12)",
            hundred_time / ten_time,
            *hundred as f64 / *ten as f64
        );
    }
}

struct Cost {
    seconds: f64,
    bytes: u64,
}

/// The fastest of several runs, and what one run allocates.
fn fastest(work: impl Fn()) -> Cost {
    let bytes = allocation_counter::measure(&work).bytes_total;
    let seconds = (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    Cost { seconds, bytes }
}

fn row(lines: usize, what: &str, cost: &Cost, bare: &Cost) {
    println!(
        "{lines:>8}  {what:<7} {:>12.0} {:>10.2} {:>12.0} {:>10.2}",
        lines as f64 / cost.seconds,
        cost.seconds * 1000.0,
        cost.bytes as f64 / lines as f64,
        cost.seconds / bare.seconds
    );
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

fn catalog() -> Catalog {
    Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() }
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
