"""The sentences that people on the phone hear, in each language we have translated.

`speech.sentence` chooses the language and fills in the names in braces, such as {who}.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sentences:
    """All sentences in one language."""

    notice: str
    nothing_heard: str
    goodbye: str
    # Conversations
    connect: str
    conversation_notice: str
    no_key: str
    not_reached: str
    # Verification of a phone
    code: str
    # Incoming calls
    not_accepted: str
    try_later: str


# The keys are language codes, such as "en". `voices.base` returns these codes.
TRANSLATIONS = {
    "en": Sentences(
        notice=(
            "Hello. This call is recorded and will be transcribed. "
            "Please speak after the beep, and press any key when you are done."
        ),
        nothing_heard="We heard nothing. Goodbye.",
        goodbye="Thank you. Goodbye.",
        connect="Press any key to call {who}.",
        conversation_notice="This call is recorded and will be transcribed.",
        no_key="No key was pressed. Goodbye.",
        not_reached="The call could not be connected. Goodbye.",
        code="Your code is {code}.",
        not_accepted="This number does not accept your call. Goodbye.",
        try_later="We cannot take your call now. Please try again later. Goodbye.",
    ),
    "de": Sentences(
        notice=(
            "Guten Tag. Dieser Anruf wird aufgezeichnet und in Text umgewandelt. "
            "Bitte sprechen Sie nach dem Signalton und drücken Sie eine beliebige "
            "Taste, wenn Sie fertig sind."
        ),
        nothing_heard="Wir haben nichts gehört. Auf Wiederhören.",
        goodbye="Vielen Dank. Auf Wiederhören.",
        connect="Drücken Sie eine beliebige Taste, um {who} anzurufen.",
        conversation_notice="Dieser Anruf wird aufgezeichnet und in Text umgewandelt.",
        no_key="Es wurde keine Taste gedrückt. Auf Wiederhören.",
        not_reached="Die Verbindung kam nicht zustande. Auf Wiederhören.",
        code="Ihr Code lautet {code}.",
        not_accepted="Diese Nummer nimmt Ihren Anruf nicht an. Auf Wiederhören.",
        try_later=(
            "Wir können Ihren Anruf jetzt nicht annehmen. "
            "Bitte versuchen Sie es später noch einmal. Auf Wiederhören."
        ),
    ),
    "es": Sentences(
        notice=(
            "Hola. Esta llamada se graba y se transcribirá. "
            "Hable después de la señal y pulse cualquier tecla cuando termine."
        ),
        nothing_heard="No hemos oído nada. Adiós.",
        goodbye="Gracias. Adiós.",
        connect="Pulse cualquier tecla para llamar a {who}.",
        conversation_notice="Esta llamada se graba y se transcribirá.",
        no_key="No se ha pulsado ninguna tecla. Adiós.",
        not_reached="No se ha podido establecer la llamada. Adiós.",
        code="Su código es {code}.",
        not_accepted="Este número no acepta su llamada. Adiós.",
        try_later=(
            "Ahora no podemos atender su llamada. Inténtelo de nuevo más tarde. Adiós."
        ),
    ),
    "fr": Sentences(
        notice=(
            "Bonjour. Cet appel est enregistré et sera transcrit. "
            "Veuillez parler après le bip, puis appuyer sur une touche pour terminer."
        ),
        nothing_heard="Nous n'avons rien entendu. Au revoir.",
        goodbye="Merci. Au revoir.",
        connect="Appuyez sur une touche pour appeler {who}.",
        conversation_notice="Cet appel est enregistré et sera transcrit.",
        no_key="Aucune touche n'a été pressée. Au revoir.",
        not_reached="L'appel n'a pas pu aboutir. Au revoir.",
        code="Votre code est {code}.",
        not_accepted="Ce numéro n'accepte pas votre appel. Au revoir.",
        try_later=(
            "Nous ne pouvons pas prendre votre appel maintenant. "
            "Veuillez réessayer plus tard. Au revoir."
        ),
    ),
    "it": Sentences(
        notice=(
            "Buongiorno. Questa chiamata viene registrata e sarà trascritta. "
            "Parli dopo il segnale acustico e prema un tasto qualsiasi quando ha "
            "finito."
        ),
        nothing_heard="Non abbiamo sentito nulla. Arrivederci.",
        goodbye="Grazie. Arrivederci.",
        connect="Prema un tasto qualsiasi per chiamare {who}.",
        conversation_notice="Questa chiamata viene registrata e sarà trascritta.",
        no_key="Non è stato premuto alcun tasto. Arrivederci.",
        not_reached="Non è stato possibile collegare la chiamata. Arrivederci.",
        code="Il suo codice è {code}.",
        not_accepted="Questo numero non accetta la sua chiamata. Arrivederci.",
        try_later="Ora non possiamo rispondere. Riprovi più tardi. Arrivederci.",
    ),
    "nl": Sentences(
        notice=(
            "Hallo. Dit gesprek wordt opgenomen en uitgeschreven. "
            "Spreek na de pieptoon en druk op een toets als u klaar bent."
        ),
        nothing_heard="We hebben niets gehoord. Tot ziens.",
        goodbye="Dank u wel. Tot ziens.",
        connect="Druk op een toets om {who} te bellen.",
        conversation_notice="Dit gesprek wordt opgenomen en uitgeschreven.",
        no_key="Er is geen toets ingedrukt. Tot ziens.",
        not_reached="De verbinding is niet gelukt. Tot ziens.",
        code="Uw code is {code}.",
        not_accepted="Dit nummer neemt uw oproep niet aan. Tot ziens.",
        try_later=(
            "We kunnen uw oproep nu niet aannemen. Probeer het later opnieuw. "
            "Tot ziens."
        ),
    ),
    "pl": Sentences(
        notice=(
            "Dzień dobry. Ta rozmowa jest nagrywana i zostanie zapisana jako tekst. "
            "Proszę mówić po sygnale i nacisnąć dowolny klawisz po zakończeniu."
        ),
        nothing_heard="Nic nie usłyszeliśmy. Do widzenia.",
        goodbye="Dziękujemy. Do widzenia.",
        connect="Proszę nacisnąć dowolny klawisz, aby zadzwonić do {who}.",
        conversation_notice="Ta rozmowa jest nagrywana i zostanie zapisana jako tekst.",
        no_key="Nie naciśnięto żadnego klawisza. Do widzenia.",
        not_reached="Nie udało się połączyć rozmowy. Do widzenia.",
        code="Państwa kod to {code}.",
        not_accepted="Ten numer nie przyjmuje Państwa połączenia. Do widzenia.",
        try_later=(
            "Nie możemy teraz odebrać połączenia. Proszę spróbować później. "
            "Do widzenia."
        ),
    ),
    "pt": Sentences(
        notice=(
            "Olá. Esta chamada está sendo gravada e será transcrita. "
            "Fale após o sinal e pressione qualquer tecla quando terminar."
        ),
        nothing_heard="Não ouvimos nada. Até logo.",
        goodbye="Obrigado. Até logo.",
        connect="Pressione qualquer tecla para ligar para {who}.",
        conversation_notice="Esta chamada está sendo gravada e será transcrita.",
        no_key="Nenhuma tecla foi pressionada. Até logo.",
        not_reached="Não foi possível completar a chamada. Até logo.",
        code="O seu código é {code}.",
        not_accepted="Este número não aceita a sua chamada. Até logo.",
        try_later=(
            "Não podemos atender a sua chamada agora. Tente novamente mais tarde. "
            "Até logo."
        ),
    ),
}
