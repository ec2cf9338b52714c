//! How fast is the front end, and does it grow linearly?
//!
//! Generates programs of 1,000, 10,000 and 100,000 lines, and prints for each how many lines a second are parsed, checked
//! and formatted on one core, and how the time compares with pest's own bare parse of the same text in the same run: `read`
//! is text to tree, `check` the whole of `flowc check`, `rest` what `check` takes beyond `read`: names, types and rules.
//! Machines are noisy: the ratios are what to compare between runs. How many bytes that allocates is a bench of its own,
//! `bytes`, since what counts them slows down what it counts.
//!
//! `cargo bench -p flow-benches --bench front`, with other numbers of lines behind `--` if wanted.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod passes;

use std::time::Instant;

fn main() {
    println!("{:>8}  {:<7} {:>12} {:>10} {:>10}", "lines", "what", "lines/s", "ms", "× pest");
    let mut check = Vec::new();
    for text in passes::programs() {
        let lines = text.lines().count();
        let [pest, read, checked, format] = passes::passes(&text).map(|(_, pass)| fastest(pass));
        let rest = checked - read;
        for (what, seconds) in [("pest", pest), ("read", read), ("rest", rest), ("check", checked), ("format", format)]
        {
            let per_second = lines as f64 / seconds;
            println!("{lines:>8}  {what:<7} {per_second:>12.0} {:>10.2} {:>10.2}", seconds * 1000.0, seconds / pest);
        }
        check.push((lines, checked));
    }
    if let [.., (ten, ten_time), (hundred, hundred_time)] = check.as_slice() {
        println!(
            "\n`check` of {hundred} lines takes {:.1} times as long as of {ten} lines (linear: {:.1}; aim: below 12)",
            hundred_time / ten_time,
            *hundred as f64 / *ten as f64
        );
    }
}

/// The seconds of the fastest of several runs.
fn fastest(work: impl Fn()) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}
