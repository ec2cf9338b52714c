//! The language server: what an editor shows of a program while it is written.
//!
//! In: messages of an editor on standard input, and a [`Home`] for files that are not open and the projects that programs
//! belong to. Out: diagnostics with their causes, fixes as code actions, the one layout, and what the compiler knows of a
//! place ([`flow_compiler::query`]). A program is checked as `flowc check` does, with open files as they are in the editor.
//! Left out on purpose: anything that the compiler does not know.
//!
//! Source: Language Server Protocol 3.17.

mod place;
mod position;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use flow_compiler::{Catalog, Checked, LoadError, Loader, Project};
use flow_model::{
    diagnostic::{Diagnostic, Severity},
    span::Span,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, CodeActionProviderCapability, CompletionOptions, CompletionParams,
    DiagnosticRelatedInformation, DiagnosticSeverity, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, GotoDefinitionParams, HoverParams, HoverProviderCapability,
    Location, NumberOrString, OneOf, PublishDiagnosticsParams, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextEdit, Uri, WorkspaceEdit,
    notification::{
        DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _, PublishDiagnostics,
    },
    request::{CodeActionRequest, Completion, Formatting, GotoDefinition, HoverRequest, Request as _},
};
use position::Lines;
use serde::de::DeserializeOwned;

/// Where the programs of an editor are.
pub trait Home: Loader {
    /// What a program at a path is checked with.
    fn settings(&self, program: &Path) -> Settings;
}

/// What a program is checked with.
pub struct Settings {
    /// The project that it belongs to.
    pub project: Project,
    /// The environment of it that is meant.
    pub environment: Option<String>,
    /// The connectors that come with Flow and those of the project, and the functions.
    pub catalog: Catalog,
}

impl Default for Settings {
    /// A program of no project.
    fn default() -> Self {
        let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
        Self { project: Project::default(), environment: None, catalog }
    }
}

/// Why the server stopped before the editor asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The editor broke the protocol or went away.
    #[error("the editor and the language server lost each other: {0}")]
    Protocol(#[from] lsp_server::ProtocolError),
    /// A message can't be written.
    #[error("a message can't be written: {0}")]
    Shape(#[from] serde_json::Error),
    /// The editor went away.
    #[error("the editor has gone away")]
    Gone,
}

/// Serves the editor at standard input and output until it says goodbye.
///
/// # Errors
/// The editor went away, or does not speak the protocol.
pub fn serve(home: &dyn Home) -> Result<(), Error> {
    let (connection, threads) = Connection::stdio();
    talk(&connection, home)?;
    drop(connection);
    threads.join().map_err(|_| Error::Gone)
}

/// Serves the editor at the other end of a connection.
fn talk(connection: &Connection, home: &dyn Home) -> Result<(), Error> {
    let capabilities = ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_owned()]),
            ..CompletionOptions::default()
        }),
        ..ServerCapabilities::default()
    };
    connection.initialize(serde_json::to_value(capabilities)?)?;
    let mut server = Server { connection, home, open: BTreeMap::new() };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(());
                }
                let response = server.answer(request);
                server.send(Message::Response(response))?;
            }
            Message::Notification(notification) => server.note(notification)?,
            Message::Response(_) => {}
        }
    }
    Ok(())
}

struct Server<'a> {
    connection: &'a Connection,
    home: &'a dyn Home,
    /// The text of each open file, by its path.
    open: BTreeMap<PathBuf, (Uri, String)>,
}

/// Open files as they are in the editor, others from the disk.
struct Files<'a> {
    open: &'a BTreeMap<PathBuf, (Uri, String)>,
    disk: &'a dyn Home,
}

impl Loader for Files<'_> {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        match self.open.get(&PathBuf::from(path)) {
            Some((_, text)) => Ok(text.clone().into_bytes()),
            None => self.disk.load(path),
        }
    }
}

impl Server<'_> {
    fn note(&mut self, notification: Notification) -> Result<(), Error> {
        match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                let Some(params) = read::<DidOpenTextDocumentParams>(notification.params) else { return Ok(()) };
                self.changed(params.text_document.uri, params.text_document.text)
            }
            DidChangeTextDocument::METHOD => {
                let Some(params) = read::<DidChangeTextDocumentParams>(notification.params) else { return Ok(()) };
                match params.content_changes.into_iter().next_back() {
                    Some(change) => self.changed(params.text_document.uri, change.text),
                    None => Ok(()),
                }
            }
            DidCloseTextDocument::METHOD => {
                let Some(params) = read::<DidCloseTextDocumentParams>(notification.params) else { return Ok(()) };
                if let Some(path) = path(&params.text_document.uri) {
                    self.open.remove(&path);
                }
                self.publish(params.text_document.uri, Vec::new())
            }
            _ => Ok(()),
        }
    }

    fn answer(&self, request: Request) -> Response {
        let id = request.id.clone();
        let result = match request.method.as_str() {
            Formatting::METHOD => read::<DocumentFormattingParams>(request.params)
                .map(|params| serde_json::to_value(self.formatted(&params.text_document.uri))),
            CodeActionRequest::METHOD => {
                read::<CodeActionParams>(request.params).map(|params| serde_json::to_value(self.actions(&params)))
            }
            HoverRequest::METHOD => {
                read::<HoverParams>(request.params).map(|params| serde_json::to_value(self.hover(&params)))
            }
            GotoDefinition::METHOD => read::<GotoDefinitionParams>(request.params)
                .map(|params| serde_json::to_value(self.definition(&params))),
            Completion::METHOD => {
                read::<CompletionParams>(request.params).map(|params| serde_json::to_value(self.completion(&params)))
            }
            other => {
                let message = format!("`{other}` is not known here");
                return Response::new_err(id, ErrorCode::MethodNotFound as i32, message);
            }
        };
        match result {
            Some(Ok(value)) => Response::new_ok(id, value),
            Some(Err(error)) => Response::new_err(id, ErrorCode::InternalError as i32, error.to_string()),
            None => Response::new_err(id, ErrorCode::InvalidParams as i32, "the parameters don't fit".to_owned()),
        }
    }

    /// Checks all open files: a change in one can matter to another.
    fn changed(&mut self, uri: Uri, text: String) -> Result<(), Error> {
        let Some(path) = path(&uri) else { return Ok(()) };
        self.open.insert(path, (uri, text));
        let found: Vec<_> = self
            .open
            .iter()
            .map(|(path, (uri, text))| {
                let checked = self.check(path, text);
                (uri.clone(), self.shown(uri, &checked))
            })
            .collect();
        found.into_iter().try_for_each(|(uri, diagnostics)| self.publish(uri, diagnostics))
    }

    fn check(&self, path: &Path, text: &str) -> Checked {
        let files = Files { open: &self.open, disk: self.home };
        let Settings { project, environment, catalog } = self.home.settings(path);
        let (path, environment) = (path.to_string_lossy(), environment.as_deref());
        flow_compiler::check_in(&project, environment, &path, text.as_bytes(), &catalog, &files)
    }

    /// The diagnostics of the file itself, as editors show them.
    fn shown(&self, uri: &Uri, checked: &Checked) -> Vec<lsp_types::Diagnostic> {
        own(checked)
            .map(|diagnostic| {
                let mut message = diagnostic.message.clone();
                if let Some(help) = &diagnostic.help {
                    message.push_str("\nhelp: ");
                    message.push_str(help);
                }
                let related: Vec<_> = diagnostic
                    .labels
                    .iter()
                    .filter(|label| !label.text.is_empty())
                    .filter_map(|label| {
                        let location = location(uri, checked, label.span)?;
                        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
                    })
                    .collect();
                lsp_types::Diagnostic {
                    range: range(checked, diagnostic.span()),
                    severity: Some(match diagnostic.severity() {
                        Severity::Error => DiagnosticSeverity::ERROR,
                        Severity::Warning => DiagnosticSeverity::WARNING,
                    }),
                    code: Some(NumberOrString::String(diagnostic.code.id().to_owned())),
                    source: Some("flowc".to_owned()),
                    message,
                    related_information: Some(related),
                    ..lsp_types::Diagnostic::default()
                }
            })
            .collect()
    }

    /// The whole text in the one layout, unless it is in order.
    fn formatted(&self, uri: &Uri) -> Vec<TextEdit> {
        let Some((_, text)) = path(uri).and_then(|path| self.open.get(&path)) else { return Vec::new() };
        let new_text = flow_compiler::format(text);
        if new_text == *text {
            return Vec::new();
        }
        vec![TextEdit { range: Lines::new(text).range(0, text.len() as u32), new_text }]
    }

    /// The fixes of what is wrong in a range.
    fn actions(&self, params: &CodeActionParams) -> Vec<CodeAction> {
        let uri = &params.text_document.uri;
        let Some((path, (_, text))) = path(uri).and_then(|path| self.open.get_key_value(&path)) else {
            return Vec::new();
        };
        let checked = self.check(path, text);
        let mut actions = Vec::new();
        for diagnostic in own(&checked) {
            let place = range(&checked, diagnostic.span());
            if place.end < params.range.start || params.range.end < place.start {
                continue;
            }
            for fix in &diagnostic.fixes {
                let edits: Vec<_> = fix
                    .edits
                    .iter()
                    .filter(|edit| edit.span.file == diagnostic.span().file)
                    .map(|edit| TextEdit { range: range(&checked, edit.span), new_text: edit.text.clone() })
                    .collect();
                actions.push(CodeAction {
                    title: fix.title.clone(),
                    kind: Some(CodeActionKind::QUICKFIX),
                    edit: Some(WorkspaceEdit {
                        changes: Some([(uri.clone(), edits)].into_iter().collect()),
                        ..WorkspaceEdit::default()
                    }),
                    ..CodeAction::default()
                });
            }
        }
        actions
    }

    fn publish(&self, uri: Uri, diagnostics: Vec<lsp_types::Diagnostic>) -> Result<(), Error> {
        let params = PublishDiagnosticsParams { uri, diagnostics, version: None };
        let notification = Notification::new(PublishDiagnostics::METHOD.to_owned(), params);
        self.send(Message::Notification(notification))
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.connection.sender.send(message).map_err(|_| Error::Gone)
    }
}

/// The diagnostics of the program's own file: the others are shown when their files are open.
fn own(checked: &Checked) -> impl Iterator<Item = &Diagnostic> {
    let own = checked.files.iter().next().map(|(file, _)| file);
    checked.diagnostics.iter().filter(move |diagnostic| Some(diagnostic.span().file) == own)
}

fn range(checked: &Checked, span: Span) -> lsp_types::Range {
    let text = checked.files.get(span.file).map(|file| file.text.as_str()).unwrap_or_default();
    Lines::new(text).range(span.start, span.end)
}

/// The place of a label.
fn location(own: &Uri, checked: &Checked, span: Span) -> Option<Location> {
    location_in(own, &checked.files, span)
}

/// A place in a file of a check; connectors that come with Flow have no file that an editor could open.
fn location_in(own: &Uri, files: &flow_model::span::Files, span: Span) -> Option<Location> {
    let source = files.get(span.file)?;
    let is_own = files.iter().next().is_some_and(|(file, _)| file == span.file);
    let uri = if is_own {
        own.clone()
    } else {
        let path = std::path::absolute(&source.path).ok().filter(|path| path.is_file())?;
        Uri::from_str(url::Url::from_file_path(path).ok()?.as_str()).ok()?
    };
    Some(Location { uri, range: Lines::new(&source.text).range(span.start, span.end) })
}

fn path(uri: &Uri) -> Option<PathBuf> {
    url::Url::parse(uri.as_str()).ok()?.to_file_path().ok()
}

fn read<T: DeserializeOwned>(params: serde_json::Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

#[cfg(test)]
mod tests;
