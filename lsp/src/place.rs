//! What the compiler knows of a place, as editors show it: hover, definition, completion.

use flow_compiler::query::{self, Look, Surroundings};
use lsp_types::{
    CompletionItem, CompletionParams, CompletionTextEdit, GotoDefinitionParams, Hover, HoverContents, HoverParams,
    Location, MarkupContent, MarkupKind, TextDocumentPositionParams, TextEdit, Uri,
};

use super::{Files, Lines, Server, location_in, path};

impl Server<'_> {
    /// What the name at a place is, with its documentation.
    pub(super) fn hover(&self, params: &HoverParams) -> Option<Hover> {
        let (_, text, look) = self.look(&params.text_document_position_params)?;
        let mut value = format!("```flow\n{}\n```", look.code);
        if !look.doc.is_empty() {
            value.push_str("\n\n");
            value.push_str(&look.doc);
        }
        let range = Some(Lines::new(text).range(look.place.start, look.place.end));
        Some(Hover { contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value }), range })
    }

    /// Where the name at a place is declared. What comes with Flow has no file that an editor could open.
    pub(super) fn definition(&self, params: &GotoDefinitionParams) -> Option<Location> {
        let (uri, _, look) = self.look(&params.text_document_position_params)?;
        location_in(uri, &look.files, look.declared?)
    }

    /// What could be written at a place.
    pub(super) fn completion(&self, params: &CompletionParams) -> Vec<CompletionItem> {
        let at = &params.text_document_position;
        let Some((path, (_, text))) = path(&at.text_document.uri).and_then(|path| self.open.get_key_value(&path))
        else {
            return Vec::new();
        };
        let lines = Lines::new(text);
        let settings = self.home.settings(path);
        let files = Files { open: &self.open, disk: self.home };
        let around = Surroundings {
            project: &settings.project,
            environment: settings.environment.as_deref(),
            catalog: &settings.catalog,
            loader: &files,
        };
        let completion = query::complete(around, &path.to_string_lossy(), text, lines.byte(at.position));
        let range = lines.range(completion.place.start, completion.place.end);
        completion
            .proposals
            .into_iter()
            .map(|proposal| CompletionItem {
                label: proposal.text.clone(),
                detail: Some(proposal.detail).filter(|detail| !detail.is_empty()),
                text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: proposal.text })),
                ..CompletionItem::default()
            })
            .collect()
    }

    fn look(&self, at: &TextDocumentPositionParams) -> Option<(&Uri, &str, Look)> {
        let path = path(&at.text_document.uri)?;
        let (uri, text) = self.open.get(&path)?;
        let settings = self.home.settings(&path);
        let files = Files { open: &self.open, disk: self.home };
        let around = Surroundings {
            project: &settings.project,
            environment: settings.environment.as_deref(),
            catalog: &settings.catalog,
            loader: &files,
        };
        let byte = Lines::new(text).byte(at.position);
        Some((uri, text, query::look(around, &path.to_string_lossy(), text, byte)?))
    }
}
