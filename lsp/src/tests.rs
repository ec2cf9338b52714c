//! What an editor is told, message by message.

use serde_json::{Value, json};

use super::*;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

impl Home for NoFiles {
    fn settings(&self, _program: &Path) -> Settings {
        Settings { project: flow_compiler::project::read("flow.toml", PROJECT), ..Settings::default() }
    }
}

const PROJECT: &str = "[lints]\nW0203 = \"deny\"\n";

const WRONG: &str = "use slack\n\nflow tell {\n  step slack.chat.post_mesage(channel: \"#a\",   text: \"hi\")\n}\n";

fn request(editor: &Connection, id: i32, method: &str, params: Value) -> Value {
    editor.sender.send(Message::Request(Request::new(id.into(), method.to_owned(), params))).unwrap();
    loop {
        match editor.receiver.recv().unwrap() {
            Message::Response(response) => return response.response_result.unwrap(),
            _ => continue,
        }
    }
}

fn tell(editor: &Connection, method: &str, params: Value) {
    editor.sender.send(Message::Notification(Notification::new(method.to_owned(), params))).unwrap();
}

#[test]
fn an_editor_is_shown_mistakes_fixes_and_the_layout() {
    let (server, editor) = Connection::memory();
    let serving = std::thread::spawn(move || talk(&server, &NoFiles));
    let initialized = request(&editor, 1, "initialize", json!({ "capabilities": {} }));
    assert_eq!(initialized["capabilities"]["documentFormattingProvider"], json!(true));
    tell(&editor, "initialized", json!({}));

    let uri = "file:///project/main.flow";
    let document = json!({ "uri": uri, "languageId": "flow", "version": 1, "text": WRONG });
    tell(&editor, "textDocument/didOpen", json!({ "textDocument": document }));
    let Message::Notification(published) = editor.receiver.recv().unwrap() else { panic!("diagnostics are published") };
    let shown = &published.params["diagnostics"][0];
    assert_eq!((&shown["code"], &shown["range"]["start"]["line"]), (&json!("E0404"), &json!(3)), "{shown}");

    let range = json!({ "start": { "line": 3, "character": 15 }, "end": { "line": 3, "character": 15 } });
    let wanted = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
    let actions = request(&editor, 2, "textDocument/codeAction", wanted);
    assert_eq!(actions[0]["edit"]["changes"][uri][0]["newText"], json!("chat.post_message"), "{actions}");

    let options = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = request(&editor, 3, "textDocument/formatting", options);
    assert_eq!(edits[0]["newText"], json!(WRONG.replace(",   ", ", ")), "{edits}");

    let mended = json!([{ "text": WRONG.replace("mesage", "message") }]);
    let changed = json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": mended });
    tell(&editor, "textDocument/didChange", changed);
    let Message::Notification(published) = editor.receiver.recv().unwrap() else { panic!("diagnostics are published") };
    assert_eq!(published.params["diagnostics"], json!([]));

    request(&editor, 4, "shutdown", Value::Null);
    tell(&editor, "exit", Value::Null);
    serving.join().unwrap().unwrap();
}

#[test]
fn an_editor_is_told_what_a_name_is_where_it_is_declared_and_what_could_be_written() {
    const TEXT: &str = "use slack\n\nconst most = 3\n\nflow tell(names: List<String>) {\n  let short = names.take(3)\n  \
        step slack.chat.\n}\n";
    let (server, editor) = Connection::memory();
    let serving = std::thread::spawn(move || talk(&server, &NoFiles));
    let initialized = request(&editor, 1, "initialize", json!({ "capabilities": {} }));
    assert_eq!(initialized["capabilities"]["completionProvider"]["triggerCharacters"], json!(["."]));
    tell(&editor, "initialized", json!({}));
    let uri = "file:///project/main.flow";
    let document = json!({ "uri": uri, "languageId": "flow", "version": 1, "text": TEXT });
    tell(&editor, "textDocument/didOpen", json!({ "textDocument": document }));
    let at = |line: u32, character: u32| json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } });
    let hover = request(&editor, 2, "textDocument/hover", at(5, 16));
    assert_eq!(hover["contents"]["value"], json!("```flow\nparameter names: List<String>\n```"), "{hover}");
    assert_eq!(hover["range"]["start"], json!({ "line": 5, "character": 14 }));
    let definition = request(&editor, 3, "textDocument/definition", at(5, 16));
    assert_eq!(definition["range"]["start"], json!({ "line": 4, "character": 10 }), "{definition}");
    let items = request(&editor, 4, "textDocument/completion", at(6, 18));
    assert_eq!(items[0]["label"], json!("post_message"), "{items}");
    assert_eq!(items[0]["textEdit"]["range"]["start"], json!({ "line": 6, "character": 18 }));
    request(&editor, 5, "shutdown", Value::Null);
    tell(&editor, "exit", Value::Null);
    serving.join().unwrap().unwrap();
}

#[test]
fn the_project_says_how_bad_a_warning_is() {
    let (server, editor) = Connection::memory();
    let serving = std::thread::spawn(move || talk(&server, &NoFiles));
    request(&editor, 1, "initialize", json!({ "capabilities": {} }));
    tell(&editor, "initialized", json!({}));
    let text = "const most = 3\n\nflow f { return 1 }\n";
    let document = json!({ "uri": "file:///project/main.flow", "languageId": "flow", "version": 1, "text": text });
    tell(&editor, "textDocument/didOpen", json!({ "textDocument": document }));
    let Message::Notification(published) = editor.receiver.recv().unwrap() else { panic!("diagnostics are published") };
    let shown = &published.params["diagnostics"][0];
    assert_eq!((&shown["code"], &shown["severity"]), (&json!("W0203"), &json!(1)), "{shown}");
    request(&editor, 2, "shutdown", Value::Null);
    tell(&editor, "exit", Value::Null);
    serving.join().unwrap().unwrap();
}
