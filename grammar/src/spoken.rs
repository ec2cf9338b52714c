//! What a person calls each rule of the grammar, for "expected …".

use crate::parser::Rule;

/// What a person calls a rule; nothing for those that no one would name.
fn spoken(rule: Rule) -> &'static str {
    match rule {
        Rule::COMMENT
        | Rule::WHITESPACE
        | Rule::EOI
        | Rule::hole
        | Rule::sp
        | Rule::word_char
        | Rule::own_word
        | Rule::own_entry
        | Rule::reserved
        | Rule::plain_string
        | Rule::later_char
        | Rule::digits
        | Rule::quote
        | Rule::quotes
        | Rule::lambda_params
        | Rule::record_start
        | Rule::question
        | Rule::at
        | Rule::dot
        | Rule::safe_dot
        | Rule::langle
        | Rule::type_args
        | Rule::type_params
        | Rule::type_names
        | Rule::args
        | Rule::dotdot
        | Rule::minus
        | Rule::negate
        | Rule::member
        | Rule::safe_member
        | Rule::call
        | Rule::index
        | Rule::convert
        | Rule::kw_as
        | Rule::attribute
        | Rule::bound
        | Rule::bound_word
        | Rule::json_name
        | Rule::default
        | Rule::kw_from
        | Rule::per
        | Rule::kw_per
        | Rule::pipe
        | Rule::control_word
        | Rule::begins_item
        | Rule::ellipsis
        | Rule::spread
        | Rule::escape
        | Rule::fixed
        | Rule::multi_fixed
        | Rule::kw_later
        | Rule::later_head
        | Rule::status
        | Rule::status_class
        | Rule::currency
        | Rule::how_often
        | Rule::test_word
        | Rule::star => "",
        Rule::operator | Rule::infix => "an operator",
        Rule::file
        | Rule::item
        | Rule::use_item
        | Rule::const_item
        | Rule::record_item
        | Rule::enum_item
        | Rule::union_item
        | Rule::error_item
        | Rule::fn_item
        | Rule::connection_item
        | Rule::policy_item
        | Rule::connector_item
        | Rule::flow_item
        | Rule::test_item
        | Rule::event_item
        | Rule::destination_item
        | Rule::later_item
        | Rule::kw_use
        | Rule::kw_private
        | Rule::kw_const
        | Rule::kw_record
        | Rule::kw_enum
        | Rule::kw_union
        | Rule::kw_error
        | Rule::kw_fn
        | Rule::kw_connection
        | Rule::kw_policy
        | Rule::kw_connector
        | Rule::kw_flow
        | Rule::kw_test
        | Rule::kw_event
        | Rule::kw_destination => "an item",
        Rule::member_item
        | Rule::config_section
        | Rule::http_section
        | Rule::errors_section
        | Rule::operation
        | Rule::webhook
        | Rule::verification
        | Rule::challenge
        | Rule::webhooks_section
        | Rule::kw_config
        | Rule::kw_http
        | Rule::kw_errors
        | Rule::kw_operation
        | Rule::kw_trigger
        | Rule::kw_verification
        | Rule::kw_challenge
        | Rule::kw_webhooks => "a part of a connector",
        Rule::statement
        | Rule::control_statement
        | Rule::let_statement
        | Rule::step_statement
        | Rule::return_statement
        | Rule::fail_statement
        | Rule::respond_statement
        | Rule::log_statement
        | Rule::dead_letter_statement
        | Rule::sleep_statement
        | Rule::emit_statement
        | Rule::kw_let
        | Rule::kw_step
        | Rule::kw_return
        | Rule::kw_fail
        | Rule::kw_respond
        | Rule::kw_log
        | Rule::kw_dead_letter
        | Rule::kw_sleep
        | Rule::kw_emit => "a statement",
        Rule::trigger | Rule::kw_on => "`on`",
        Rule::trigger_source
        | Rule::on_http
        | Rule::on_every
        | Rule::on_cron
        | Rule::on_event
        | Rule::on_file
        | Rule::on_connection
        | Rule::kw_cron
        | Rule::kw_file => "what starts the flow",
        Rule::value
        | Rule::tested_value
        | Rule::expr
        | Rule::until_range
        | Rule::term
        | Rule::prefix
        | Rule::operand
        | Rule::primary
        | Rule::name_ref
        | Rule::implied_member
        | Rule::lambda
        | Rule::record
        | Rule::list
        | Rule::group
        | Rule::literal
        | Rule::control
        | Rule::if_expr
        | Rule::match_expr
        | Rule::for_expr
        | Rule::parallel_expr
        | Rule::try_expr
        | Rule::saga_expr
        | Rule::race_expr
        | Rule::first_expr
        | Rule::repeat_expr
        | Rule::arm_value
        | Rule::list_entry
        | Rule::kw_not
        | Rule::kw_true
        | Rule::kw_false
        | Rule::kw_null
        | Rule::kw_match
        | Rule::kw_try
        | Rule::kw_parallel
        | Rule::kw_saga
        | Rule::kw_race
        | Rule::kw_first
        | Rule::kw_repeat
        | Rule::respond_body => "a value",
        Rule::arg => "an argument",
        Rule::entry => "a field",
        Rule::number | Rule::money | Rule::bound_literal => "a number",
        Rule::duration => "a duration like `15m`",
        Rule::size => "a size like `4MB`",
        Rule::text | Rule::line_text | Rule::multi_text | Rule::raw_text => "a text",
        Rule::insert => "an insertion",
        Rule::word | Rule::name | Rule::event_path => "a name",
        Rule::path | Rule::type_path => "a name",
        Rule::type_expr | Rule::type_atom | Rule::one_of | Rule::type_group | Rule::type_record | Rule::type_name => {
            "a type"
        }
        Rule::pattern
        | Rule::pattern_one
        | Rule::wildcard
        | Rule::starts_with
        | Rule::range_pattern
        | Rule::literal_pattern
        | Rule::record_pattern
        | Rule::list_pattern
        | Rule::as_pattern
        | Rule::path_pattern
        | Rule::name_pattern
        | Rule::item_pattern
        | Rule::rest_pattern
        | Rule::kw_starts_with => "a pattern",
        Rule::field_pattern => "a field",
        Rule::match_arm => "an arm `pattern => value`",
        Rule::catch_arm => "an arm `Kind => value`",
        Rule::guard | Rule::kw_if => "`if`",
        Rule::fields
        | Rule::config
        | Rule::policy_body
        | Rule::properties
        | Rule::trigger_clauses
        | Rule::block
        | Rule::flow_body
        | Rule::use_names
        | Rule::test_body
        | Rule::later_body
        | Rule::never_body
        | Rule::lbrace => "`{`",
        Rule::rbrace => "`}`",
        Rule::lparen | Rule::params => "`(`",
        Rule::rparen => "`)`",
        Rule::lbracket => "`[`",
        Rule::rbracket => "`]`",
        Rule::rangle => "`>`",
        Rule::comma => "`,`",
        Rule::colon | Rule::annotation => "`:`",
        Rule::equals => "`=`",
        Rule::fat_arrow => "`=>`",
        Rule::arrow | Rule::result => "`->`",
        Rule::field | Rule::param => "a field `name: Type`",
        Rule::config_entry => "a setting `name: value`",
        Rule::policy_entry | Rule::kinds => "a setting `name: value`",
        Rule::property | Rule::request | Rule::each | Rule::kw_native | Rule::kw_each => "a property `name: value`",
        Rule::trigger_clause | Rule::none_because | Rule::kw_none | Rule::kw_body => "a clause `name: value`",
        Rule::kw_because => "`because`",
        Rule::union_case => "a case `tag => Type`",
        Rule::error_rule | Rule::condition | Rule::when_condition | Rule::connection_condition | Rule::kw_when => {
            "a rule `404 => NotFound`"
        }
        Rule::use_connectors | Rule::use_file => "a connector or the path of a file",
        Rule::fails | Rule::kw_fails => "`fails`",
        Rule::bind => "`as`",
        Rule::for_span | Rule::kw_for => "`for`",
        Rule::policy_use | Rule::kw_with => "`with`",
        Rule::step_name => "a name",
        Rule::step_clause | Rule::wait | Rule::undo | Rule::kw_wait | Rule::kw_undo | Rule::kw_where => "",
        Rule::optional | Rule::kw_optional => "`optional`",
        Rule::otherwise | Rule::else_if | Rule::kw_else => "`else`",
        Rule::catch | Rule::kw_catch => "`catch`",
        Rule::concurrency | Rule::kw_concurrency => "`concurrency`",
        Rule::on_error => "`on error`",
        Rule::pace | Rule::kw_every => "`every`",
        Rule::kw_in => "`in`",
        Rule::kw_until => "`until`",
        Rule::kw_up => "`up to`",
        Rule::kw_to => "`to`",
        Rule::kw_times => "`times`",
        Rule::given | Rule::kw_given => "`given`",
        Rule::stub | Rule::kw_stub => "`stub`",
        Rule::kw_expect => "`expect`",
        Rule::tested_kind | Rule::tested_failure => "the kind of an error",
        Rule::tested_event => "the name of an event",
        Rule::tested_queue => "a name",
        Rule::tested_state => "`completed`, `failed` or `needs_decision`",
        Rule::target | Rule::all_operations | Rule::awaited_event | Rule::tested_operation => "an operation",
        Rule::comes_after => "`after`",
        Rule::stub_answer | Rule::by_schema | Rule::returns | Rule::fails_with | Rule::kw_returns | Rule::kw_using => {
            "what it answers: `returns …`, `fails …` or `using schema`"
        }
        Rule::kw_schema => "`schema`",
        Rule::kw_then => "`then`",
        Rule::kw_always => "`always`",
        Rule::kw_once => "`once`",
        Rule::kw_never => "`never`",
        Rule::kw_called => "`called`",
        Rule::happened | Rule::kw_succeeded | Rule::kw_failed => "`called`, `succeeded` or `failed`",
        Rule::invariant => "a call that never happens",
        Rule::relation | Rule::kw_after | Rule::kw_before => "`after` or `before`",
        Rule::called_where => "`where`",
        Rule::called_with => "`with`",
        Rule::expectation
        | Rule::expect_called
        | Rule::expect_run
        | Rule::expect_result
        | Rule::expect_emitted
        | Rule::expect_dead_letter
        | Rule::expect_responded
        | Rule::expect_never
        | Rule::kw_run
        | Rule::kw_result
        | Rule::kw_emitted
        | Rule::kw_responded => "what is expected",
        Rule::kw_contains => "`contains`",
    }
}

/// What could have stood in a place, in the words of a person, the most telling first and each once. Operators and
/// clauses, which could stand after almost anything, are said only when nothing else is expected.
pub(crate) fn expected(rules: &[Rule]) -> Vec<String> {
    const WEAK: [&str; 10] =
        ["an operator", "`else`", "`with`", "`catch`", "`optional`", "`for`", "`as`", "`on`", "`if`", "`fails`"];
    let mut all: Vec<&str> = Vec::new();
    // After a value, `->` would make it the parameter of a function.
    let is_after_value = rules.contains(&Rule::operator);
    for rule in rules.iter().filter(|rule| !(is_after_value && **rule == Rule::arrow)) {
        let word = spoken(*rule);
        if !word.is_empty() && !all.contains(&word) {
            all.push(word);
        }
    }
    let strong: Vec<&str> = all.iter().copied().filter(|word| !WEAK.contains(word)).collect();
    let mut chosen = if strong.is_empty() { all } else { strong };
    // Words before signs: "a value or `}`".
    chosen.sort_by_key(|word| (word.starts_with('`'), chosen_rank(word)));
    chosen.into_iter().map(str::to_owned).collect()
}

/// Among signs, separators come before closing brackets.
fn chosen_rank(word: &str) -> u8 {
    match word {
        "`,`" | "`:`" | "`=`" | "`=>`" | "`->`" => 0,
        "`)`" | "`]`" | "`}`" | "`>`" => 2,
        _ => 1,
    }
}

/// The keyword of a rule that is one.
pub(crate) fn keyword(rule: Rule) -> Option<String> {
    let name = format!("{rule:?}");
    name.strip_prefix("kw_").map(str::to_owned)
}
