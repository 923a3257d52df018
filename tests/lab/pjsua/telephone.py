"""A telephone of pjsua2, driven by lines on its standard input; it tells what happens by lines on standard output.

    telephone.py ADDRESS PORT USER FOLDER [REGISTRAR PASSWORD]

Input                                  Output
    call URI     calls                     ready            its socket is open
    answer       takes the call            registered CODE  the registrar has answered
    refuse CODE  refuses it                incoming         it is called, and rings
    hang-up      ends or cancels it        state NAME CODE  the call has come so far: CONFIRMED 200
    hold, resume                           key K            the other side has pressed a key
    keys KEYS    presses keys              sent-to URI      the other side sends it there, and it goes
    transfer URI sends the other side      transfer CODE    so far it has come with that
    say FILE     speaks a recording
    quit

All that it hears is in FOLDER/heard.wav when it has ended. One call at a time. The sound device is pjmedia's null
device, which paces the conference bridge by the machine's clock.
"""

import select
import sys

import pjsua2 as pj

PCMA = "PCMA/8000"


def tell(*words):
    print(*words, flush=True)


def operation(code=0):
    parameters = pj.CallOpParam(True)
    parameters.statusCode = code
    return parameters


class Call(pj.Call):
    def __init__(self, telephone, number=pj.PJSUA_INVALID_ID):
        super().__init__(telephone.account, number)
        self.telephone = telephone

    def onCallState(self, _):
        info = self.getInfo()
        tell("state", info.stateText, info.lastStatusCode)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED and self.telephone.call is self:
            self.telephone.call = None

    def onCallMediaState(self, _):
        # The list is part of the info: it must not outlive it.
        info = self.getInfo()
        for media in info.media:
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.getAudioMedia(media.index).startTransmit(self.telephone.ear)

    def onDtmfDigit(self, parameters):
        tell("key", parameters.digit)

    def onCallTransferRequest(self, parameters):
        tell("sent-to", parameters.dstUri)
        # Its own reference is all that keeps the old call until it has ended.
        self.telephone.calls.append(self)
        self.telephone.call = Call(self.telephone)
        parameters.newCall = self.telephone.call

    def onCallTransferStatus(self, parameters):
        tell("transfer", parameters.statusCode)


class Account(pj.Account):
    telephone = None

    def onRegState(self, parameters):
        tell("registered", parameters.code)

    def onIncomingCall(self, parameters):
        call = Call(self.telephone, parameters.callId)
        if self.telephone.call:
            call.hangup(operation(pj.PJSIP_SC_BUSY_HERE))
            return
        self.telephone.call = call
        call.answer(operation(pj.PJSIP_SC_RINGING))
        tell("incoming")


class Telephone:
    def __init__(self, address, port, user, folder, registrar=None, password=None):
        self.call = None
        self.calls = []
        self.mouths = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        # Callbacks come from the loop below and from nowhere else.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        # Every message goes to the log; what libCreate says before it knows of one comes on standard error.
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 0
        config.logConfig.msgLogging = 1
        config.logConfig.filename = folder + "/pjsua.log"
        config.medConfig.clockRate = 8000
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress, transport.port = address, int(port)
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            if codec.codecId.startswith(PCMA):
                self.endpoint.codecSetPriority(codec.codecId, 255)
        self.ear = pj.AudioMediaRecorder()
        self.ear.createRecorder(folder + "/heard.wav")
        config = pj.AccountConfig()
        config.idUri = f"sip:{user}@{registrar or address}"
        if registrar:
            config.regConfig.registrarUri = f"sip:{registrar}"
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        config.mediaConfig.transportConfig.boundAddress = address
        self.account = Account()
        self.account.telephone = self
        self.account.create(config, True)
        tell("ready")

    def obey(self, command, argument):
        if command == "call":
            self.call = Call(self)
            self.call.makeCall(argument, operation())
        elif command == "answer":
            self.call.answer(operation(pj.PJSIP_SC_OK))
        elif command == "refuse":
            self.call.hangup(operation(int(argument)))
        elif command == "hang-up":
            self.call.hangup(operation())
        elif command == "hold":
            self.call.setHold(operation())
        elif command == "resume":
            parameters = operation()
            parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.call.reinvite(parameters)
        elif command == "transfer":
            self.call.xfer(argument, operation())
        elif command == "keys":
            self.call.dialDtmf(argument)
        elif command == "say":
            mouth = pj.AudioMediaPlayer()
            mouth.createPlayer(argument, pj.PJMEDIA_FILE_NO_LOOP)
            mouth.startTransmit(self.call.getAudioMedia(-1))
            self.mouths.append(mouth)
        else:
            raise ValueError(command)

    def serve(self):
        while True:
            self.endpoint.libHandleEvents(10)
            while select.select([sys.stdin], [], [], 0)[0]:
                command, _, argument = sys.stdin.readline().strip().partition(" ")
                if command in ("", "quit"):
                    return
                self.obey(command, argument)

    def end(self):
        # pjsua2 wants its objects gone before the library is.
        self.call = self.ear = self.account = None
        self.calls.clear()
        self.mouths.clear()
        self.endpoint.libDestroy()


telephone = Telephone(*sys.argv[1:])
telephone.serve()
telephone.end()
