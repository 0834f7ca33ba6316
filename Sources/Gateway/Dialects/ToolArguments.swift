/// Arguments of a tool's call: an object in messages, in chat a text that holds one.
enum ToolArguments {
    /// - Returns: the object as JSON, an empty one for no text; nil when the text holds something else.
    static func object(in text: JSONString?) -> String? {
        guard let text, !text.content.isEmpty else { return "{}" }
        var object = text.text
        let isObject = object.withUTF8 { bytes in
            var scanner = JSONScanner(UnsafeRawBufferPointer(bytes))
            do throws(JSONFault) {
                guard try scanner.peek() == .object else { return false }
                try scanner.skipValue()
                try scanner.end()
                return true
            } catch {
                return false
            }
        }
        return isObject ? object : nil
    }
}
