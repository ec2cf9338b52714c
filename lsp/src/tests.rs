//! What an editor is told, message by message.

use serde_json::{Value, json};

use super::*;

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

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
