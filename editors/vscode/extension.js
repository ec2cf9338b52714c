// Starts `flowc lsp` for `.flow` files.
const { workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

exports.activate = async () => {
  const command = workspace.getConfiguration("flow").get("path", "flowc");
  const server = { command, args: ["lsp"], transport: TransportKind.stdio };
  client = new LanguageClient("flow", "Flow", server, { documentSelector: [{ language: "flow" }] });
  await client.start();
};

exports.deactivate = () => client?.stop();
