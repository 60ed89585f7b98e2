"""SIP without I/O: bytes, `now` and ids come in; bytes, events and the next deadline come out (RFC 3261).

From the wire inwards:

    message      one datagram ⇄ a Request or a Response; its parts in uri, headers, parameters
    transaction  the four machines that make UDP reliable, as tables; layer finds the one a message is for
    dialog       who talks to whom, in which order, by which way
    invite       a call, from its INVITE to its BYE, as the table in invite_table
    registration a binding kept at a registrar; digest answers its challenges
    core         UserAgent: the one object that a driver talks to; admission says who may ring
    outputs      all that a driver is told

Whatever a peer sends, nothing here raises; LocalProtocolError is for our own mistakes.
"""
