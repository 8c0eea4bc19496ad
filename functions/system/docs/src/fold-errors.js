// Swagger UI shows every answer of an operation at full length. This folds each error to one line, which a click opens.
const foldErrors = () => ({
  wrapComponents: {
    response: (Response, { React }) => class extends React.Component {
      state = { open: false };

      render() {
        const { code, response } = this.props;
        if (!/^[45]/.test(code)) {
          return React.createElement(Response, this.props);
        }
        const { open } = this.state;
        const toggle = () => this.setState({ open: !open });
        // One line: a description may list the codes of the error below its first one.
        const title = String(response.get("description") || "").split("\n")[0];
        const line = React.createElement("tr", { key: "line", className: "response fold-error" },
          React.createElement("td", { colSpan: 3 },
            React.createElement("button", { type: "button", "aria-expanded": open, onClick: toggle }, `${open ? "▾" : "▸"} ${code}  ${title}`)));
        return open ? [line, React.createElement(Response, { key: "answer", ...this.props })] : line;
      }
    },
  },
});
