//! The kinds of nodes of the tree: one for each rule of the grammar whose place or text matters.
//!
//! Keywords and punctuation that only mark where something begins are left out of the tree; comments are in it.

use crate::parser::Rule;

/// Declares the kinds with the rules that make them, and the rules that make no node.
macro_rules! kinds {
    ([$($silent:ident)*] $($kind:ident: $($rule:ident)|+;)*) => {
        /// What a node of the tree is; named after its rule in `flow.pest`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "flow.pest shows what each is made of")]
        pub enum Kind { $($kind),* }

        /// The kind of node that a rule makes, if it makes one.
        pub(crate) fn kind(rule: Rule) -> Option<Kind> {
            match rule {
                $($(Rule::$rule)|+ => Some(Kind::$kind),)*
                Rule::EOI $(| Rule::$silent)* => None,
            }
        }
    };
}

kinds! {
    [
        kw_use kw_private kw_const kw_record kw_enum kw_union kw_error kw_fn kw_connection kw_policy kw_connector kw_flow
        kw_event kw_destination kw_from kw_with kw_per kw_config kw_http kw_errors kw_when kw_operation
        kw_trigger kw_verification kw_challenge kw_webhooks kw_native kw_each kw_fails kw_on kw_every kw_cron kw_file kw_body kw_none
        kw_because kw_let kw_step kw_return kw_fail kw_respond kw_log kw_dead_letter kw_sleep kw_until kw_emit
        kw_saga kw_undo kw_optional kw_wait kw_where kw_else kw_if kw_match kw_for kw_in kw_concurrency
        kw_parallel kw_try kw_catch kw_race kw_first kw_repeat kw_up kw_to kw_times kw_as kw_starts_with lbrace
        rbrace lparen rparen lbracket rbracket langle rangle comma colon equals fat_arrow arrow pipe dot
        safe_dot ellipsis at quote quotes WHITESPACE sp word_char reserved item param later_char plain_string
        member_item condition trigger_source statement step_clause control control_word arm_value record_start own_word own_entry
        until_range term prefix infix primary list_entry literal pattern_one bound_literal item_pattern
        type_atom digits begins_item kw_test kw_given kw_stub kw_expect kw_returns kw_using kw_schema kw_then kw_always kw_once
        kw_never kw_called kw_succeeded kw_failed kw_after kw_before kw_run kw_result kw_emitted kw_responded kw_contains test_word tested_value tested_kind
        tested_operation tested_failure tested_event tested_queue tested_state target stub_answer expectation
    ]
    Comment: COMMENT;
    Name: word | name | bound_word | kw_later;
    Not: kw_not;
    True: kw_true;
    False: kw_false;
    Null: kw_null;
    DotDot: dotdot;
    Question: question;
    Star: star;
    File: file;
    UseItem: use_item;
    UseConnectors: use_connectors;
    UseFile: use_file;
    UseNames: use_names;
    ConstItem: const_item;
    Annotation: annotation;
    RecordItem: record_item;
    ErrorItem: error_item;
    Fields: fields;
    Field: field;
    JsonName: json_name;
    Default: default;
    Bound: bound;
    Attribute: attribute;
    EnumItem: enum_item;
    UnionItem: union_item;
    UnionCase: union_case;
    FnItem: fn_item;
    Params: params;
    Result: result;
    ConnectionItem: connection_item;
    Config: config;
    ConfigEntry: config_entry;
    PolicyItem: policy_item;
    PolicyBody: policy_body;
    PolicyEntry: policy_entry;
    Kinds: kinds;
    Per: per;
    PolicyUse: policy_use;
    EventItem: event_item;
    DestinationItem: destination_item;
    LaterItem: later_item;
    LaterHead: later_head;
    LaterBody: later_body;
    TestItem: test_item;
    TestBody: test_body;
    Given: given;
    Stub: stub;
    AllOperations: all_operations;
    BySchema: by_schema;
    Returns: returns;
    FailsWith: fails_with;
    AwaitedEvent: awaited_event;
    ComesAfter: comes_after;
    HowOften: how_often;
    ExpectCalled: expect_called;
    CalledWith: called_with;
    ExpectRun: expect_run;
    ExpectResult: expect_result;
    ExpectEmitted: expect_emitted;
    ExpectDeadLetter: expect_dead_letter;
    ExpectResponded: expect_responded;
    ExpectNever: expect_never;
    NeverBody: never_body;
    Invariant: invariant;
    Happened: happened;
    CalledWhere: called_where;
    Relation: relation;
    ConnectorItem: connector_item;
    ConfigSection: config_section;
    HttpSection: http_section;
    ErrorsSection: errors_section;
    ErrorRule: error_rule;
    WhenCondition: when_condition;
    StatusClass: status_class;
    Status: status;
    ConnectionCondition: connection_condition;
    Operation: operation;
    TypeNames: type_names;
    Webhook: webhook;
    Verification: verification;
    Challenge: challenge;
    WebhooksSection: webhooks_section;
    Properties: properties;
    Property: property;
    Request: request;
    Each: each;
    FlowItem: flow_item;
    Fails: fails;
    FlowBody: flow_body;
    Trigger: trigger;
    OnHttp: on_http;
    OnEvery: on_every;
    OnCron: on_cron;
    OnEvent: on_event;
    EventPath: event_path;
    OnFile: on_file;
    OnConnection: on_connection;
    Bind: bind;
    TriggerClauses: trigger_clauses;
    TriggerClause: trigger_clause;
    NoneBecause: none_because;
    ForSpan: for_span;
    Block: block;
    Value: value;
    ControlStatement: control_statement;
    LetStatement: let_statement;
    StepStatement: step_statement;
    StepName: step_name;
    Wait: wait;
    Optional: optional;
    Undo: undo;
    Otherwise: otherwise;
    Catch: catch;
    CatchArm: catch_arm;
    ReturnStatement: return_statement;
    FailStatement: fail_statement;
    RespondStatement: respond_statement;
    RespondBody: respond_body;
    LogStatement: log_statement;
    DeadLetterStatement: dead_letter_statement;
    SleepStatement: sleep_statement;
    EmitStatement: emit_statement;
    IfExpr: if_expr;
    ElseIf: else_if;
    MatchExpr: match_expr;
    MatchArm: match_arm;
    Guard: guard;
    ForExpr: for_expr;
    Concurrency: concurrency;
    OnError: on_error;
    Pace: pace;
    ParallelExpr: parallel_expr;
    TryExpr: try_expr;
    SagaExpr: saga_expr;
    RaceExpr: race_expr;
    FirstExpr: first_expr;
    RepeatExpr: repeat_expr;
    Expr: expr;
    Negate: negate;
    Operator: minus | operator;
    Convert: convert;
    Lambda: lambda;
    LambdaParams: lambda_params;
    Operand: operand;
    NameRef: name_ref;
    ImpliedMember: implied_member;
    Member: member;
    SafeMember: safe_member;
    Index: index;
    Call: call;
    TypeArgs: type_args;
    Args: args;
    Arg: arg;
    Group: group;
    Record: record;
    Entry: entry;
    List: list;
    Spread: spread;
    Pattern: pattern;
    Wildcard: wildcard;
    StartsWith: starts_with;
    RangePattern: range_pattern;
    LiteralPattern: literal_pattern;
    RecordPattern: record_pattern;
    FieldPattern: field_pattern;
    ListPattern: list_pattern;
    RestPattern: rest_pattern;
    AsPattern: as_pattern;
    PathPattern: path_pattern;
    NamePattern: name_pattern;
    Path: path;
    TypeExpr: type_expr;
    OneOf: one_of;
    TypeGroup: type_group;
    TypeRecord: type_record;
    TypeName: type_name;
    TypePath: type_path;
    TypeParams: type_params;
    Text: text;
    LineText: line_text;
    MultiText: multi_text;
    RawText: raw_text;
    Fixed: fixed | multi_fixed;
    Escape: escape;
    Insert: insert;
    Number: number;
    Money: money;
    Currency: currency;
    Duration: duration;
    Size: size;
    Missing: hole;
}
