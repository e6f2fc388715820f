"""`graphrt chat`: a conversation with a flow at a terminal, or through pipes.

`session` leads the conversation, `reading` is where what is said comes from, `displays` and `screen` show the turns,
`slash` has the commands that begin with a slash, `turns` drives a turn and stops it.
"""
