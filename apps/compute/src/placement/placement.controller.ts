import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { askCapacity, askFit, readScheduling, type FitAnswer, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { PlacementQuestions } from './placement-questions.js';

@Controller()
export class PlacementController {
  constructor(private readonly questions: PlacementQuestions) {}

  @Handles(askFit)
  fit(@Payload() input: ReceivedBy<typeof askFit>): Promise<FitAnswer> { return this.questions.fit(input); }

  @Handles(askCapacity)
  capacity(@Payload() input: ReceivedBy<typeof askCapacity>): Promise<OutputOf<typeof askCapacity>> { return this.questions.capacity(input); }

  @Handles(readScheduling)
  scheduling(@Payload() input: ReceivedBy<typeof readScheduling>): Promise<OutputOf<typeof readScheduling>> { return this.questions.scheduling(input); }
}
