//! How many bytes does the front end allocate for a line, and how many are held at most?
//!
//! `cargo bench -p flow-benches --bench bytes`, with other numbers of lines behind `--` if wanted.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod passes;

fn main() {
    println!("{:>8}  {:<7} {:>12} {:>14}", "lines", "what", "bytes/line", "at most/line");
    for text in passes::programs() {
        let lines = text.lines().count();
        for (what, pass) in passes::passes(&text) {
            let counted = allocation_counter::measure(pass);
            let of_a_line = |bytes: u64| bytes as f64 / lines as f64;
            let (total, most) = (of_a_line(counted.bytes_total), of_a_line(counted.bytes_max));
            println!("{lines:>8}  {what:<7} {total:>12.0} {most:>14.0}");
        }
    }
}
