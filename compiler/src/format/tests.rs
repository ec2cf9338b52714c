//! What the layout makes of each construct, and that it changes nothing when it is applied again.

use super::*;

fn assert_stable(text: &str) -> String {
    let once = format(text);
    assert_eq!(format(&once), once, "formatting again changes nothing");
    once
}

#[test]
fn the_layout_follows_what_the_author_wrote_apart() {
    let text = "use   stripe,slack\n\n\n\nconnection team=slack{base_url:env(\"S\",null)}\nrecord A{ id :String\n  name:String? @pii // shown\n}\nflow f(a:Int,b:String=\"x\"){\nlet x=[1,2, 3 ] // list\n\n\n  // about the step\n  step  m=team.chat . post_message(\n channel:\"#a\",text:\"{x}\")\n if x!=null{log \"a\"}else{log \"b\"}\n return{x,m}\n}";
    let expected = "use stripe, slack\n\nconnection team = slack { base_url: env(\"S\", null) }\n\nrecord A { id: String, name: String? @pii } // shown\n";
    let _ = expected;
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn what_does_not_fit_a_line_is_broken_at_brackets_operators_and_clauses() {
    let text = "flow f(a: Int) {\n  let total = a.first_part_of_a_long_name + a.second_part_of_a_long_name + a.third_part_of_a_long_name + a.fourth_part\n  let names = orders.filter(order -> order.warehouse == \"berlin\").map(order -> packing_line(order)).sort_by(x -> x).join(\"\\n\")\n  step order = orders.query_one(sql: \"select * from orders where payment_id = {payment.id}\") else fail NotInvoiceable(payment: payment.id, reason: \"no such order\")\n  step slack.chat.post_message(channel: \"#a-rather-long-channel-name\", text: \"Paid {order.name}: {order.total} and more text\") optional\n}\n";
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn a_long_condition_is_broken_where_it_binds_least() {
    let text = "flow f(a: String, b: Money, tags: List<String>) {\n  if a == \"a rather long name of a customer\" and a != \"another name that is rather long\" or b > 100.00 EUR and \"urgent\" in tags { log \"x\" }\n  let is_large = a.contains(\"one rather long piece of text\") or b.amount * 100 > 5_000_000 and a.contains(\"another rather long piece of text, and more of it\") and a != \"a third one\"\n}\n";
    let expected = "flow f(a: String, b: Money, tags: List<String>) {
  if a == \"a rather long name of a customer\" and a != \"another name that is rather long\"
    or b > 100.00 EUR and \"urgent\" in tags {
    log \"x\"
  }
  let is_large = a.contains(\"one rather long piece of text\")
    or b.amount * 100 > 5_000_000
      and a.contains(\"another rather long piece of text, and more of it\")
      and a != \"a third one\"
}
";
    assert_eq!(assert_stable(text), expected);
}

#[test]
fn the_last_of_types_and_names_has_no_comma() {
    let text = "fn f(m: Map<Int,>,) -> List<Int, > { m.map( (x , ) -> x.g<A,B,>(x,)) }\n";
    assert_eq!(assert_stable(text), "fn f(m: Map<Int>) -> List<Int> { m.map((x) -> x.g<A, B>(x)) }\n");
}

#[test]
fn private_stands_before_its_item() {
    let text = "private   const  x=1\n///doc\nprivate\nfn f(a:Int)->Int{a+x}\nprivate record R{a:Int}\n";
    let expected =
        "private const x = 1\n///doc\nprivate fn f(a: Int) -> Int { a + x }\n\nprivate record R { a: Int }\n";
    assert_eq!(assert_stable(text), expected);
}

#[test]
fn what_can_not_be_read_stays_byte_for_byte() {
    let text = "flow a{\nlet   x=1\nlet = =   2\nlog \"x\"\n}\n\nflow   b { log   \"ok\" }\n";
    let formatted = assert_stable(text);
    assert!(formatted.contains("let = =   2"), "{formatted}");
    assert!(formatted.contains("  let x = 1"), "{formatted}");
}

#[test]
fn every_comment_is_kept() {
    let text = "// a\nuse slack // b\n/// c\nflow f { // d\n  // e\n  log \"x\" // f\n  let x = { // g\n    a: 1, // h\n    // i\n  }\n  // j\n}\n// k\n";
    let formatted = assert_stable(text);
    for letter in 'a'..='k' {
        assert!(formatted.contains(&format!("/ {letter}")), "`{letter}` is missing in\n{formatted}");
    }
}

#[test]
fn tests_are_laid_out_like_flows() {
    let text = "test   \"a\"  for f{given x=1\nstub *   using\n  schema\nstub a.b fails  E 2  times then  returns{x:1}\n\n\nexpect run completed // well\n// all\nexpect a.b called  once with{text:\"a rather long text that does not fit the line\",other:\"another text of the same kind\"}\nexpect never {  a.b  called  after  c.d\n a.b failed   where   .x==1 }}\ntest \"b\" for f { }\n";
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn every_construct_of_control_has_its_layout() {
    let text = "event   order.shipped{order:String,carrier:String?}\nflow f(order:String){\non cron  \"0 9 * * mon\"  in \"Europe/Berlin\"{catch_up:none}\non event order . * as e\nsaga{\nstep a=shop.hold(order)undo   shop.release(id:a.id)\n  // kept\nstep b = shop.hold(order: \"a-rather-long-name-of-an-order\", note: \"and a text that needs room\") with patient undo shop.release(id: b.id, note: \"x\")\n}\nlet x=first  p in [1,2]{p}\nlet y=race{step c=shop.find(order)\nsleep 5m}\nlet z=repeat every 10s  up to 30 times until   done{let done=true\ndone}\nemit order.shipped{order,carrier:null}\nstep s=wait order . shipped where .order==order for 7d else   return null\nstep d=approve(\"Ship {order}?\",by:\"desk\")for 2d\nstep r=other(a:1)catch{Late=>null}\nlet v=saga{1}\nreturn{x,y,z,s,d,r,v}}\n";
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn an_open_range_keeps_apart_from_what_follows() {
    let text = "policy p { a: 1..  per 2, b:  ..5 }\nfn f(a: Int) { log   ..5\n match a { 1.. => 2\n ..0 => 3\n 1..2 => 4 } }\n";
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn comparisons_stand_apart_and_arguments_of_types_do_not() {
    let text = "fn f(a: Int, b: Map<List<Int>>) -> Bool { a<3 and a<=b.length or a>3 and a>=b.length }\n";
    let laid = "fn f(a: Int, b: Map<List<Int>>) -> Bool { a < 3 and a <= b.length or a > 3 and a >= b.length }\n";
    assert_eq!(assert_stable(text), laid);
}

#[test]
fn brackets_that_are_never_closed_add_no_lines() {
    let text = "flow a {\n  let x = f(1,\n\n\n  log \"x\"\n}\n\nflow   b { log   \"ok\" }\n\nflow c {\n  step x = a.b(c: [1, 2\n\n}\n";
    insta::assert_snapshot!(assert_stable(text));
}

#[test]
fn what_stands_between_items_stays_on_its_line() {
    let text = "  use slack;\nexport   flow f {\n     let name = \"Ada\";\n  step slack.chat.post_message(text: \"Hi {name}\") ;\n}\n ;\n";
    insta::assert_snapshot!(assert_stable(text));
}
