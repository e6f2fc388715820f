"""English ⇄ Spanish: two agents that hand the conversation over to whoever speaks the customer's language.

graphrt chat graphs/languages.py "Hola, ¿qué tal?"
"""

from __future__ import annotations

from graphrt import Agent, handoff

english = Agent("You speak English only. Hand over to spanish when the customer writes Spanish.", name="english")
spanish = Agent("Hablas solo español. Pasa la conversación a english si el cliente escribe en inglés.", name="spanish")

flow = handoff(english, spanish, at_most=2, name="languages")
